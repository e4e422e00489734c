"""Posting finished bodies to chat completions with a client of the `openai` package, but without its overhead."""

import contextlib
import json
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cowest.models.base import HeaderListener, Json
from cowest.models.providers._reply_format import parse

if TYPE_CHECKING:
    import httpx2
    from openai import APIStatusError, AsyncOpenAI, AsyncStream

    from cowest.models.providers._direct_post import DirectPost

_PATH = "/chat/completions"
_MAX_TEXT = 10_000
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class ChatPost:
    """Posts bodies with the address, headers and connections of a client of the `openai` package.

    The package's own `post` makes options, headers and address anew for each call and walks through the reply with
    its types, which takes longer than the HTTP itself. What it raises is raised here too.

    Args:
        client: whose address and headers are used; it makes no retries.
        http: the HTTP client in it, which follows no redirect.
        listener: called with the headers of replies that do not go through the hooks of `http`.
    """

    def __init__(
        self, client: "AsyncOpenAI", http: "httpx2.AsyncClient", listener: HeaderListener | None = None
    ) -> None:
        from openai import AsyncOpenAI

        self._client = client
        self._http = http
        # A subclass makes another address for each body (Azure's deployments).
        self._is_plain = type(client) is AsyncOpenAI
        headers = {**client.default_headers, **client.auth_headers}
        self._headers = {name: value for name, value in headers.items() if isinstance(value, str)}
        self._url = client.base_url.join(_PATH.removeprefix("/"))
        sent = http.build_request("POST", self._url, headers=self._headers).headers.raw
        self._sent_headers = [(name, value) for name, value in sent if name.lower() != b"content-length"]
        self._direct = _direct_post(http, self._url, self._sent_headers, listener) if self._is_plain else None

    async def reply(self, body: Json) -> object:
        """The reply's JSON; the beginning of its text where it is no JSON.

        Raises:
            openai.OpenAIError: as `client.post` does.
            ValueError: its content type is JSON, and its content is not.
        """
        content, content_type = await self._receive(body)
        try:
            return parse(content)
        except ValueError:
            if content_type.partition(";")[0].endswith("json"):
                raise
            return content[:_MAX_TEXT].decode("utf-8", "replace")

    async def content(self, body: Json) -> bytes:
        """The reply as it came.

        Raises:
            openai.OpenAIError: as `client.post` does.
        """
        return (await self._receive(body))[0]

    async def events(self, body: Json) -> "AsyncStream[object]":
        """The events of a streamed reply, without a time limit between them; the caller closes them.

        Raises:
            openai.OpenAIError: as `client.post` does, also half way.
        """
        from openai import AsyncStream

        response = await self._send(body, stream=True)
        return AsyncStream(cast_to=object, response=response, client=self._client)

    async def _receive(self, body: Json) -> tuple[bytes, str]:
        """Content and content type of the reply."""
        if self._direct is None:
            response = await self._send(body)
        else:
            with self._failures():
                found = await self._direct.send(_encoded(body))
            if isinstance(found, tuple):
                return found
            response = _successful(found)
        return response.content, response.headers.get("content-type", "")

    async def _send(self, body: Json, *, stream: bool = False) -> "httpx2.Response":
        if not self._is_plain:
            return await self._send_with_the_package(body, stream)
        request = self._request(body, _without_read_limit(self._http.timeout) if stream else self._http.timeout)
        with self._failures():
            response = await self._http.send(request, stream=stream)
            if not response.is_success:
                await response.aread()
        return _successful(response)

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Turns what the HTTP client raises into what the package raises."""
        import httpx2
        import openai

        try:
            yield
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request=httpx2.Request("POST", self._url)) from error
        except (httpx2.RequestError, ssl.SSLError) as error:
            raise openai.APIConnectionError(request=httpx2.Request("POST", self._url)) from error

    def _request(self, body: Json, timeout: "httpx2.Timeout") -> "httpx2.Request":
        """What `build_request` of the HTTP client makes, whose headers are always the same but for the length."""
        import httpx2

        content = _encoded(body)
        if self._http.cookies:  # an endpoint has set one
            return self._http.build_request("POST", self._url, content=content, headers=self._headers, timeout=timeout)
        headers = httpx2.Headers([*self._sent_headers, (b"Content-Length", b"%d" % len(content))], encoding="utf-8")
        request = httpx2.Request(
            "POST",
            self._url,
            headers=headers,
            stream=httpx2.ByteStream(content),
            extensions={"timeout": timeout.as_dict()},
        )
        request.read()
        return request

    async def _send_with_the_package(self, body: Json, stream: bool) -> "httpx2.Response":
        import httpx2
        from openai import AsyncStream

        if stream:
            events = await self._client.post(
                _PATH,
                cast_to=object,
                body=body,
                options={"timeout": _without_read_limit(self._http.timeout)},
                stream=True,
                stream_cls=AsyncStream[object],
            )
            return events.response
        return await self._client.post(_PATH, cast_to=httpx2.Response, body=body)


def _direct_post(
    http: "httpx2.AsyncClient",
    url: "httpx2.URL",
    headers: list[tuple[bytes, bytes]],
    listener: HeaderListener | None,
) -> "DirectPost | None":
    try:
        from cowest.models.providers._direct_post import DirectPost
    except ImportError:  # a version of the package that has its transport elsewhere
        return None
    return DirectPost.through(http, url, headers, listener)


def _encoded(body: Json) -> bytes:
    """The body as the package writes it."""
    return _ENCODER.encode(body).encode()


def _without_read_limit(timeout: "httpx2.Timeout") -> "httpx2.Timeout":
    """`timeout` without a limit on reading: the reader of a stream decides how long it may be silent."""
    import httpx2

    return httpx2.Timeout(connect=timeout.connect, read=None, write=timeout.write, pool=timeout.pool)


def _successful(response: "httpx2.Response") -> "httpx2.Response":
    if response.is_success:
        return response
    raise _status_error(response)


def _status_error(response: "httpx2.Response") -> "APIStatusError":
    import openai

    body: Any = response.content.decode("utf-8", "replace").strip()
    with contextlib.suppress(ValueError):
        body = parse(body)
    text = f"Error code: {response.status_code}"
    if isinstance(body, dict):
        body = body.get("error", body)
        message = body.get("message") if isinstance(body, dict) else None
        text += f" - {message}" if isinstance(message, str) and message else ""
    return openai.APIStatusError(text, response=response, body=body)
