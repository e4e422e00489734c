"""Uvicorn's HTTP protocol, with the head of an answer and the first part of its body in one write."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from cowest.serving.connections import Connections


class HTTPProtocol(H11Protocol):
    """Uvicorn's own protocol over `HeldHeadTransport`.

    Args:
        connections: are told what becomes of this one, and may close it.
        settings: uvicorn's own.
    """

    def __init__(self, *, connections: Connections, **settings: Any) -> None:
        super().__init__(**settings)
        self._all = connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection."""
        super().connection_made(HeldHeadTransport(transport))
        self._all.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._all.closed(self)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Handles what has come, perhaps a request."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._all.asked(self)

    def on_response_complete(self) -> None:
        """A request is answered; another one that came with it is handled now."""
        self._all.answered(self)
        super().on_response_complete()

    def abort(self) -> None:
        """Closes the connection at once."""
        self.transport.abort()


class _Delegating(asyncio.Transport):
    """A transport that does everything through another one."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._transport.get_protocol()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._transport.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._transport.write(data)

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()

    def write_eof(self) -> None:
        self._transport.write_eof()


class HeldHeadTransport(_Delegating):
    """Holds the head of an answer back until the next write, or until the next iteration of the event loop.

    A head sent alone would wake the client, which on a busy machine takes CPU time from the body still to be sent.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Writes what is held back and the data; the head of an answer is held back itself."""
        data, self._head = self._head + bytes(data), b""
        if data.startswith(b"HTTP/1.") and data.endswith(b"\r\n\r\n"):
            self._head = data
            asyncio.get_running_loop().call_soon(self._flush)
        else:
            super().write(data)

    def close(self) -> None:
        """Writes what is held back, and closes."""
        self._flush()
        super().close()

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head and not self.is_closing():
            super().write(head)
