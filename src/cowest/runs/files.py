"""Reading and atomically writing the files of a run, with errors that say what to do."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from cowest.errors import CowestError, InputError


def write_text(path: Path, text: str) -> None:
    r"""Writes a file atomically: a kill leaves the old file or the new one, never half of one.

    Half a surrogate pair, which UTF-8 has not, is written as `\ud800`: in JSON that is its escape, so that it is read
    back as it was.

    Raises:
        CowestError: the disk is full, or the folder cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise CowestError(
            f"{str(path)!r} cannot be written: {error.strerror or error}. Check the disk's free space and the "
            "folder's permissions, then run the same command again: what was paid for is kept."
        ) from error


def write_json(path: Path, value: Any) -> None:
    """Writes one indented JSON document atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_jsonl(path: Path, rows: Iterable[BaseModel | dict[str, Any]]) -> None:
    """Writes one JSON object per line, atomically."""
    lines = (to_json(row) if isinstance(row, BaseModel) else json.dumps(row, ensure_ascii=False) for row in rows)
    write_text(path, "".join(line + "\n" for line in lines))


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
    except ValueError as error:
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
        yield
    except FileNotFoundError as error:
        raise InputError(f"{str(path)!r} does not exist.") from error
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror or error}. Check its permissions.") from error


def _json_object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"{str(path)!r}, line {number} is not JSON ({error}).") from error
    if not isinstance(row, dict):
        raise InputError(f"{str(path)!r}, line {number} is not a JSON object with named fields: {line.strip()[:60]!r}.")
    return row
