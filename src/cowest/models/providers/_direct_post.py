"""Posts over the connections of the `openai` package's HTTP client, without the layers that lie between."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from aiohttp import ClientResponseError, ClientSession, ClientTimeout
from multidict import CIMultiDict
from openai._vendor.httpx_aiohttp import transport as below
from yarl import URL

from cowest.models.base import HeaderListener
from cowest.models.providers import _bounded_body

if TYPE_CHECKING:
    import httpx2
    from aiohttp import ClientResponse


class DirectPost:
    """Posts to one address with aiohttp's session, which is the client's own: connections, limits, TLS are the same.

    The client walks through authentication, redirects, hooks and two more models of a request and of its reply for each
    call, which takes longer than aiohttp itself. None of it changes anything for a reply with status 200 and a
    told length that sets no cookie; any other becomes what the client would have made of it.

    Args:
        http: the client.
        transport: the client's, for this address.
        url: where to.
        headers: of every request but for its length.
        listener: called with the headers of a reply that is read here; other replies go through the client's hooks.
    """

    def __init__(
        self,
        http: "httpx2.AsyncClient",
        transport: below.AiohttpTransport,
        url: "httpx2.URL",
        headers: list[tuple[bytes, bytes]],
        listener: HeaderListener | None,
    ) -> None:
        self._http = http
        self._transport = transport
        self._url = url
        self._headers = CIMultiDict((name.decode("ascii"), value.decode("utf-8")) for name, value in headers)
        self._address = URL(str(url))
        self._listener = listener
        self._timeout: ClientTimeout | None = None

    @classmethod
    def through(
        cls,
        http: "httpx2.AsyncClient",
        url: "httpx2.URL",
        headers: list[tuple[bytes, bytes]],
        listener: HeaderListener | None = None,
    ) -> Self | None:
        """None where the client reaches the address in another way: through a proxy, or in a test."""
        transport = http._transport_for_url(url)
        if not isinstance(transport, below.AiohttpTransport) or transport.proxy is not None:
            return None
        return cls(http, transport, url, headers, listener)

    async def send(self, content: bytes) -> "tuple[bytes, str] | httpx2.Response":
        """Posts `content`.

        Returns:
            Content and content type of the reply; the client's response, read, where it is not as usual.

        Raises:
            httpx2.HTTPError: as the client does.
        """
        if self._timeout is None:
            self._timeout = await self._find_timeout()
        headers = self._headers
        if self._http.cookies:  # an endpoint has set one
            cookie = self._request(b"").headers.get("cookie")
            headers = headers if cookie is None else CIMultiDict([*headers.items(), ("Cookie", cookie)])
        with _failures():
            response = await self._session().post(
                self._address,
                headers=headers,
                data=content,
                allow_redirects=False,
                auto_decompress=False,
                timeout=self._timeout,
            )
            if _is_usual(response):
                if self._listener is not None:
                    self._listener(response.headers)
                return await response.read(), response.headers.get("Content-Type", "")
        return await self._as_the_client(response, content)

    async def _as_the_client(self, response: "ClientResponse", content: bytes) -> "httpx2.Response":
        import httpx2

        stream = below.AiohttpResponseStream(response)
        read = httpx2.Response(
            response.status, headers=response.raw_headers, stream=stream, request=self._request(content)
        )
        try:
            self._http.cookies.extract_cookies(read)
            for hook in self._http.event_hooks["response"]:
                await hook(read)
            await read.aread()
        except BaseException:
            await read.aclose()
            raise
        return read

    def _request(self, content: bytes) -> "httpx2.Request":
        return self._http.build_request("POST", self._url, headers=list(self._headers.items()), content=content)

    async def _find_timeout(self) -> ClientTimeout:
        """That of the client, as its hooks change it."""
        request = self._request(b"")
        for hook in self._http.event_hooks["request"]:
            await hook(request)
        limits = request.extensions["timeout"]
        return ClientTimeout(sock_connect=limits["connect"], sock_read=limits["read"], connect=limits["pool"])

    def _session(self) -> ClientSession:
        if not isinstance(self._transport.client, ClientSession):
            self._transport.client = self._transport.get_client()
        return self._transport.client


def _is_usual(response: "ClientResponse") -> bool:
    headers = response.headers
    length = headers.get("Content-Length", "")
    return (
        response.status == 200
        and len(length) < 9
        and length.isdecimal()
        and int(length) <= _bounded_body.MAX_REPLY_BYTES
        and "Content-Encoding" not in headers
        and "Set-Cookie" not in headers
    )


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Turns what aiohttp raises into what the client raises."""
    import httpx2

    with below.map_aiohttp_exceptions():
        try:
            yield
        except ClientResponseError as error:  # what was received is no HTTP
            raise httpx2.RemoteProtocolError(error.message) from error
