"""Reading and atomically writing the files of a run, with errors that say what to do."""

import contextlib
import json
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from cowest.errors import CowestError, InputError

_PRIVATE = 0o600
"""The mode of files with texts of queries and models, as that of the ledger."""


def write_text(path: Path, text: str, mode: int = 0o666) -> None:
    r"""Writes a file atomically: a kill leaves the old file or the new one, never half of one.

    Half a surrogate pair, which UTF-8 has not, is written as `\ud800`: in JSON that is its escape, so that it is read
    back as it was.

    Args:
        mode: of the file, less what the process's umask takes away.

    Raises:
        CowestError: the disk is full, or the folder cannot be written.
    """
    with _written(path, text, mode) as partial:
        partial.replace(path)


def write_once(path: Path, text: str) -> None:
    """Writes a file whole, unless another process has written it before; an empty one counts as not written.

    Raises:
        CowestError: the disk is full, or the folder cannot be written.
    """
    with _written(path, text, 0o666) as partial:
        try:
            path.hardlink_to(partial)
        except FileExistsError:
            if path.is_file() and not path.stat().st_size:
                partial.replace(path)
        except OSError:  # a file system without hard links
            if not path.exists():
                partial.replace(path)


def open_new(path: Path, mode: int = 0o666) -> IO[str]:
    """Opens a file of one's own for writing: what is there is removed, and a link not followed."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace")


def remove_partial(path: Path) -> None:
    """Removes the temporary file that a process left when it was killed as it wrote `path`, once that file is there."""
    if path.exists():
        with contextlib.suppress(OSError):
            path.with_name(path.name + ".partial").unlink(missing_ok=True)


@contextlib.contextmanager
def _written(path: Path, text: str, mode: int) -> Iterator[Path]:
    """A temporary file beside `path` that holds the text on disk."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_new(partial, mode) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield partial
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> CowestError:
    return CowestError(
        f"{str(path)!r} cannot be written: {error.strerror or error}. Check the disk's free space and the "
        "folder's permissions, then run the same command again: what was paid for is kept."
    )


def write_json(path: Path, value: Any) -> None:
    """Writes one indented JSON document atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_jsonl(path: Path, rows: Iterable[BaseModel | dict[str, Any]]) -> None:
    """Writes one JSON object per line, atomically; for the user alone, since rows hold the texts of a run."""
    lines = (to_json(row) if isinstance(row, BaseModel) else json.dumps(row, ensure_ascii=False) for row in rows)
    write_text(path, "".join(line + "\n" for line in lines), _PRIVATE)


class JsonlFile:
    """A file of one JSON object per line, written row by row: it is there whole once published, and not before.

    For the user alone, since rows hold the texts of a run.

    Args:
        path: the file. Until it is published its rows are beside it.

    Attributes:
        num_rows: rows so far.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._file: IO[str] | None = None
        self.num_rows = 0

    def add(self, row: BaseModel) -> None:
        """Appends a row.

        Raises:
            CowestError: the disk is full, or the folder cannot be written.
        """
        try:
            self._open().write(to_json(row) + "\n")
        except OSError as error:
            raise _cannot_write(self._path, error) from error
        self.num_rows += 1

    def publish(self, kept: Collection[int] | None = None) -> None:
        """Puts the file in its place.

        Args:
            kept: numbers of the rows that are in it, from 0; None is all.

        Raises:
            CowestError: as `add`.
        """
        try:
            self._close()
            if kept is not None:
                with self._partial.open("rb") as rows, open_new(self._partial.with_suffix(".kept"), _PRIVATE) as file:
                    for number, row in enumerate(rows):
                        if number in kept:
                            file.write(row.decode())
                self._partial.with_suffix(".kept").replace(self._partial)
            self._partial.replace(self._path)
        except OSError as error:
            raise _cannot_write(self._path, error) from error

    def discard(self) -> None:
        """Removes what was not published."""
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
            self._partial.unlink(missing_ok=True)

    def _open(self) -> IO[str]:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open_new(self._partial, _PRIVATE)
        return self._file

    def _close(self) -> None:
        file = self._open()
        file.flush()
        os.fsync(file.fileno())
        file.close()


def to_json(row: BaseModel, *, indent: int | None = None, by_alias: bool = False) -> str:
    """A record as JSON in one line, or indented; half surrogate pairs in it are kept."""
    try:
        return row.model_dump_json(indent=indent, by_alias=by_alias)
    except PydanticSerializationError:
        separators = (",", ":") if indent is None else None
        whole = row.model_dump(mode="json", by_alias=by_alias)
        return json.dumps(whole, ensure_ascii=False, indent=indent, separators=separators)


def read_json(path: Path, advice: str = "Delete it to have it made again.") -> Any:
    """Reads one JSON document.

    Args:
        advice: what to do where it is broken, for the error.

    Raises:
        InputError: the file is missing or broken.
    """
    try:
        with _readable(path):
            return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{str(path)!r} is not valid JSON ({error}). {advice}") from error


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Reads JSON objects line by line.

    Raises:
        InputError: the file is missing or a line is broken.
    """
    try:
        with _readable(path), path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                yield _json_object(path, number, line)
    except UnicodeDecodeError as error:
        raise InputError(f"{str(path)!r} is not JSON in UTF-8 ({error}).") from error


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns the errors of a file that is missing or cannot be read into `InputError`."""
    try:
        if path.exists() and not path.is_file():  # at a pipe, reading would wait
            raise InputError(f"{str(path)!r} is not a file. Remove it.")
        yield
    except FileNotFoundError as error:
        raise InputError(f"{str(path)!r} does not exist.") from error
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror or error}. Check its permissions.") from error


def _json_object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{str(path)!r}, line {number} is not JSON ({error}).") from error
    if not isinstance(row, dict):
        raise InputError(f"{str(path)!r}, line {number} is not a JSON object with named fields: {line.strip()[:60]!r}.")
    return row
