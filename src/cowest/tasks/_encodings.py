"""Text files in another encoding than UTF-8, read as the UTF-8 that all readers of rows expect."""

import codecs
import io

from cowest.errors import InputError

_CHUNK = 2**16


def known(encoding: str) -> str:
    """The name of a text encoding as Python writes it, such as "utf-8" for "UTF8".

    Raises:
        InputError: there is no such encoding, or it is not one of text.
    """
    try:
        "".encode(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise InputError(
            f"task.encoding is {encoding!r}, which is no known text encoding. For instance: utf-8, cp1252 (Windows, "
            "western Europe), latin-1, utf-16, gb18030, shift_jis."
        ) from error


def as_utf8(location: str, stream: io.BufferedIOBase, encoding: str) -> io.BufferedReader:
    """The text of a binary stream in UTF-8; an InputError that names the line where bytes are not `encoding`."""
    return io.BufferedReader(_Recoded(location, stream, encoding), _CHUNK)


class _Recoded(io.RawIOBase):
    _decoder: codecs.IncrementalDecoder
    _pending: bytes
    _ended: bool
    _position: int
    _lines: int

    def __init__(self, location: str, stream: io.BufferedIOBase, encoding: str) -> None:
        self._location, self._stream, self._encoding = location, stream, encoding
        self._start()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes back to the start, which is all that the readers need."""
        if offset or whence != io.SEEK_SET:
            raise io.UnsupportedOperation("only to the start")
        self._stream.seek(0)
        self._start()
        return 0

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._pending and not self._ended:
            data = self._stream.read(_CHUNK)
            self._ended = not data
            try:
                text = self._decoder.decode(data, final=self._ended)
            except UnicodeDecodeError as error:
                line = self._lines + error.object[: error.start].decode(self._encoding, "replace").count("\n")
                raise InputError(
                    f"{self._location!r}, line {line}: byte 0x{error.object[error.start]:02x} is not {self._encoding}, "
                    "which task.encoding names. Name the file's encoding, or save it in UTF-8."
                ) from error
            self._lines += text.count("\n")
            self._pending = text.encode("utf-8", "surrogatepass")
        count = min(len(buffer), len(self._pending))
        buffer[:count], self._pending = self._pending[:count], self._pending[count:]
        self._position += count
        return count

    def _start(self) -> None:
        self._decoder = codecs.getincrementaldecoder(self._encoding)()
        self._pending, self._ended, self._position, self._lines = b"", False, 0, 1
