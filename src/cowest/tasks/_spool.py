"""Data sets larger than memory: examples in a temporary file, and the ids seen so far in a temporary database.

Both are in the system's temporary folder (set by TMPDIR) and are deleted with the object, or with the process.
"""

import contextlib
import os
import pickle
import sqlite3
import struct
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, overload

from cowest.errors import InputError
from cowest.types import Example

_END = struct.Struct("<Q")


class _File:
    """A temporary file of bytes, appended first and then read at any place by any thread."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the object)
        self.append = self._file.write
        self.finish = self._file.flush
        weakref.finalize(self, _close, self._file)

    def read(self, start: int, stop: int) -> bytes:
        # Not seek and read, whose position threads and forked processes share.
        return os.pread(self._file.fileno(), stop - start, start)


def _close(file: IO[bytes]) -> None:
    # Closing flushes, which fails again on a full disk; the error was raised when the examples were written.
    with contextlib.suppress(OSError):
        file.close()


class Spool(Sequence[Example]):
    """A sequence of examples that is kept on disk: memory does not grow with it. Slices share the file.

    An example equals the one that was stored, but is a new object at every access.
    """

    def __init__(self, examples: Iterable[Example]) -> None:
        """Stores the examples, one at a time.

        Raises:
            InputError: the temporary folder is full or cannot be written.
        """
        try:
            self._records, self._ends = _File(), _File()
            end = num_examples = 0
        except OSError as error:
            raise _no_room(error) from error
        for example in examples:
            # Unlike JSON, pickle keeps tuples, NaN and any value that a task puts into `fields`. It is safe here: the
            # file has no name, so only this process can reach it.
            record = pickle.dumps(
                (
                    example.id,
                    example.query,
                    example.references,
                    example.explanation,
                    example.fields,
                    example.group,
                ),
                pickle.HIGHEST_PROTOCOL,
            )
            end += len(record)
            num_examples += 1
            try:
                self._records.append(record)
                self._ends.append(_END.pack(end))
            except OSError as error:
                raise _no_room(error) from error
        try:
            self._records.finish()
            self._ends.finish()
        except OSError as error:
            raise _no_room(error) from error
        self._rows = range(num_examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> "Spool": ...
    def __getitem__(self, index: int | slice) -> "Example | Spool":
        if isinstance(index, slice):
            part = object.__new__(Spool)
            part._records, part._ends, part._rows = self._records, self._ends, self._rows[index]
            return part
        row = self._rows[index]
        bounds = self._ends.read(max(0, row - 1) * _END.size, (row + 1) * _END.size)
        start = _END.unpack_from(bounds)[0] if row else 0
        return self._example(self._records.read(start, _END.unpack_from(bounds, len(bounds) - _END.size)[0]))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self._rows)))

    @staticmethod
    def _example(record: bytes) -> Example:
        identifier, query, references, explanation, fields, group = pickle.loads(record)
        return Example(
            id=identifier, query=query, references=references, explanation=explanation, fields=fields, group=group
        )


class FirstSeen:
    """Where a text was seen first, over any number of texts: kept on disk, not in memory."""

    def __init__(self) -> None:
        # An empty name is a temporary database: in memory while small, then in a file without a name.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._database.close)
        self._database.execute("PRAGMA journal_mode = OFF")
        # KiB. The default of 2,000 is no faster here; the system caches the file anyway.
        self._database.execute("PRAGMA cache_size = -256")
        self._database.execute("CREATE TABLE seen (text BLOB PRIMARY KEY, place TEXT) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def earlier(self, text: str, place: str) -> str | None:
        """The place where `text` was seen before; None where `place` is the first.

        Raises:
            InputError: the temporary folder is full.
        """
        # Bytes, since half a surrogate pair is no SQL text.
        key = text.encode("utf-8", "surrogatepass")
        try:
            added = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, place)).rowcount
        except sqlite3.OperationalError as error:
            raise _no_room(error) from error
        if added:
            return None
        found: tuple[str] = self._database.execute("SELECT place FROM seen WHERE text = ?", (key,)).fetchone()
        return found[0]


def _no_room(error: Exception) -> InputError:
    try:
        folder = tempfile.gettempdir()
    except OSError:
        folder = os.environ.get("TMPDIR", "")
    return InputError(
        f"The data cannot be kept in the temporary folder {folder!r}: {error}. Make room there, or name a folder with "
        "room in the environment variable TMPDIR."
    )
