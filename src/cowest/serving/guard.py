"""Access control: requests need the key; without a key, a loopback name as host."""

import hmac
import ipaddress
import re

from starlette.types import ASGIApp, Receive, Scope, Send

from cowest.serving.exchange import error_response
from cowest.serving.wire import APIError

_HOST = re.compile(r"(?:\[(?P<address>[^\[\]]+)\]|(?P<name>[^\[\]:@/]+))(?::[0-9]*)?")
"""A host with an optional port; IPv6 addresses are in brackets."""


class Guard:
    """ASGI middleware that refuses requests without access; /healthz is open to all.

    Without a key, web pages must still be kept out: their scripts can reach loopback under a DNS name of their own.

    Args:
        key: the bearer token; None where only this machine can connect.
    """

    def __init__(self, app: ASGIApp, key: str | None) -> None:
        self._app = app
        self._expected = None if key is None else f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on or refuses it."""
        if (
            scope["type"] == "http"
            and scope["path"] != "/healthz"
            and (refusal := self._refusal(dict(scope["headers"])))
        ):
            await error_response(refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, headers: dict[bytes, bytes]) -> APIError | None:
        if self._expected is None:
            named = _HOST.fullmatch(headers.get(b"host", b"").decode("latin-1"))
            if named is not None and is_loopback(named["address"] or named["name"]):
                return None
            return APIError(403, "Only loopback names are served here.")
        given = headers.get(b"authorization", b"")
        if hmac.compare_digest(given, self._expected):
            return None
        return APIError(401, "Incorrect API key provided.", code="invalid_api_key")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is loopback."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
