"""HTTP as uvicorn speaks it, with an answer's head and the first of its body in one write."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol


class HTTPProtocol(H11Protocol):
    """Uvicorn's own protocol over `HeadWaits`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection."""
        super().connection_made(cast("asyncio.Transport", HeadWaits(transport)))


class HeadWaits:
    """A transport in which the head of an answer waits for what is written next, or for the loop's next turn.

    Alone it would wake the client, which on a busy machine takes the processor from the body that is still to be sent.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Writes what waits and the data; the head of an answer may wait itself."""
        data, self._head = self._head + data, b""
        if data.startswith(b"HTTP/1.") and data.endswith(b"\r\n\r\n"):
            self._head = data
            asyncio.get_running_loop().call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Writes what waits, and closes."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)
