"""Bodies of replies, read up to a limit as they are received and as they are unpacked."""

import zlib
from collections.abc import AsyncIterator, Iterator

import httpx2

from cowest.errors import BrokenReplyError, OversizedReplyError

MAX_REPLY_BYTES = 16 * 2**20
"""Of a whole reply: 128,000 tokens with their log-probabilities are about as long."""

MAX_FILE_BYTES = 2**30
"""Of a batch's file, which may hold 50,000 replies."""

MAX_EVENT_BYTES = 4 * 2**20
"""Of one event of a stream, which may be as long as it likes in all."""

MAX_EVENT_VALUES = 50_000
"""Texts, numbers, lists and objects of one event, about: 400 tokens with 20 alternatives each have so many."""

ACCEPTED = "gzip, deflate"
"""The encodings that are asked for."""

_MAX_ERROR_BYTES = 64 * 2**10
_PIECE_BYTES = 64 * 2**10
_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def bound(response: httpx2.Response, where: str) -> None:
    """Bounds what will be read of a response whose body has not been read yet, and unpacks it.

    The body of an error ends at its limit, since its beginning says what is wrong.

    Args:
        where: model and address, for messages.

    Raises:
        OversizedReplyError: the response says that it is larger than the limit. As the body is read, it and
            BrokenReplyError are raised for one that is larger, or that cannot be unpacked.
    """
    encoding = response.headers.pop("content-encoding", "identity").strip().lower()
    is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
    is_file = response.request.method == "GET" and response.request.url.path.endswith("/content")
    limit = _MAX_ERROR_BYTES if response.is_error else MAX_FILE_BYTES if is_file else MAX_REPLY_BYTES
    length = response.headers.get("content-length", "")
    if not response.is_error and not is_stream and length.isascii() and length.isdigit() and len(length) < 20:
        _check_size(int(length), limit, f"{where} sent a reply of {in_words(int(length))}")
    if not isinstance(response.stream, httpx2.AsyncByteStream):
        raise TypeError("a response of a synchronous client")
    response.stream = _BoundedStream(
        response.stream, _Unpacker(encoding, where), limit, where, is_error=response.is_error, is_stream=is_stream
    )


def in_words(num_bytes: int) -> str:
    """A size: 16777216 is "16.0 MiB"."""
    for size, unit in _UNITS:
        if num_bytes >= size:
            return f"{num_bytes / size:,.1f} {unit}"
    return f"{num_bytes} bytes"


class _BoundedStream(httpx2.AsyncByteStream):
    """A body, unpacked, in pieces of a bounded size."""

    def __init__(
        self,
        body: httpx2.AsyncByteStream,
        unpacker: "_Unpacker",
        limit: int,
        where: str,
        *,
        is_error: bool,
        is_stream: bool,
    ) -> None:
        self._body = body
        self._unpacker = unpacker
        self._limit = limit
        self._where = where
        self._is_error = is_error
        self._is_stream = is_stream and not is_error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._pieces():
                yield piece
        except BrokenReplyError:
            if not self._is_error:
                raise

    async def aclose(self) -> None:
        await self._body.aclose()

    async def _pieces(self) -> AsyncIterator[bytes]:
        num_received = num_read = 0
        event = _EventSize()
        async for chunk in self._body:
            num_received += len(chunk)
            for piece in self._unpacker.unpacked(chunk):
                num_read += len(piece)
                if self._is_stream:
                    self._check_event(*event.after(piece))
                elif num_read > self._limit and self._is_error:
                    return
                elif num_read > self._limit:
                    packed = f", which came as {in_words(num_received)}" if self._unpacker.is_needed else ""
                    said = f"{self._where} sent a reply of more than {in_words(self._limit)}{packed}"
                    _check_size(num_read, self._limit, said)
                yield piece

    def _check_event(self, num_bytes: int, num_values: int) -> None:
        said = f"{self._where} sent a part of a stream that is larger"
        _check_size(num_bytes, MAX_EVENT_BYTES, said)
        if num_values > MAX_EVENT_VALUES:
            raise OversizedReplyError(f"{said}; at most {MAX_EVENT_VALUES:,} values are read.", may_be_billed=True)


class _Unpacker:
    """Unpacks a body piece by piece; a bomb goes off in pieces, too."""

    def __init__(self, encoding: str, where: str) -> None:
        self._where = where
        self._encoding = encoding
        self.is_needed = encoding not in ("identity", "")
        self._zlib = zlib.decompressobj(zlib.MAX_WBITS | (0 if encoding == "deflate" else 16))

    def unpacked(self, chunk: bytes) -> Iterator[bytes]:
        """What a chunk holds.

        Raises:
            BrokenReplyError: it is packed in a way that was not asked for, or wrongly.
        """
        if not self.is_needed:
            yield chunk
            return
        if self._encoding not in ("gzip", "x-gzip", "deflate"):
            raise BrokenReplyError(
                f"{self._where} sent a reply packed as {self._encoding[:40]!r}; only {ACCEPTED} are asked for.",
                may_be_billed=True,
            )
        try:
            while chunk:
                if piece := self._zlib.decompress(chunk, _PIECE_BYTES):
                    yield piece
                chunk = self._zlib.unconsumed_tail
        except zlib.error as error:
            raise BrokenReplyError(
                f"{self._where} sent a reply that cannot be unpacked ({error}).", may_be_billed=True
            ) from None


class _EventSize:
    """Counts bytes and values since the last empty line, which ends an event of a stream."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._tail = b""

    def after(self, piece: bytes) -> tuple[int, int]:
        """The most bytes, and the most values, that any event in the piece, or up to its end, has."""
        text = (self._tail + piece).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = text.split(b"\n\n")
        added = _size(first if others else piece)
        sizes = [(self._size[0] + added[0], self._size[1] + added[1]), *map(_size, others)]
        self._size = sizes[-1]
        self._tail = piece[-3:]
        return max(size[0] for size in sizes), max(size[1] for size in sizes)


def _size(event: bytes) -> tuple[int, int]:
    """Bytes, and values at most: commas and opening brackets, those in texts included."""
    return len(event), event.count(b",") + event.count(b"[") + event.count(b"{")


def _check_size(size: int, limit: int, said: str) -> None:
    if size > limit:
        raise OversizedReplyError(f"{said}; at most {in_words(limit)} are read.", may_be_billed=True)
