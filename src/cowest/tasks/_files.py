"""Rows of a data file: .json .jsonl .csv .tsv .parquet, each also .gz, and `hub:NAME`; a stream, nothing dropped.

A file that cannot be read to its end is an InputError that names the file and the line. Memory holds one row or a
small batch of rows, never the whole file.
"""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from cowest.errors import InputError
from cowest.plugins import looked_in, nearest, resolve_path
from cowest.tasks import _encodings
from cowest.tasks._document import keyed_rows, list_rows
from cowest.tasks._json import kind_of
from cowest.tasks._lines import csv_rows, jsonl_rows
from cowest.tasks._parquet import parquet_rows
from cowest.tasks._rows import Row

HUB = "hub:"
UTF8 = "utf-8"

_MAX_FIRST_LINE = 2**20
"""Bytes that are read to tell a JSON document from one object a line."""

Stream = io.BufferedReader | gzip.GzipFile
# A position ("line 3", or the key in a document that maps keys to rows), and the row as parsed.
Entries = Iterator[tuple[str, Any]]

_OR_NAME = ", or write task.encoding: utf-16 where the task is jsonl"
_OTHER_FORMATS = {
    b"\xff\xfe": f"looks like UTF-16. Save it in UTF-8 (for instance with iconv -f UTF-16 -t UTF-8){_OR_NAME}",
    b"\xfe\xff": f"looks like UTF-16. Save it in UTF-8 (for instance with iconv -f UTF-16 -t UTF-8){_OR_NAME}",
    b"\x1f\x8b": "looks like gzip. Let its name end in .gz; where it does already, it was compressed twice",
    b"PK\x03\x04": "looks like a zip archive or a spreadsheet. Unpack it, or export it as CSV",
    b"PAR1": "looks like Parquet. Let its name end in .parquet",
}
"""How files that are not text begin."""


def read_rows(location: str, *, delimiter: str | None = None, encoding: str = UTF8) -> Iterator[Row]:
    """Reads the rows of a location in the file's order.

    Args:
        location: a path, `package:path`, or `hub:NAME[@CONFIG][:SPLIT]` (the split is "train" where none is named).
        delimiter: the character between the values of a .csv or .tsv file; None means a comma and a tab. Other formats
            have none.
        encoding: of a text file. Parquet and the hub have none.

    Raises:
        InputError: there is no such file, its format is unknown, or it is broken; rows before the fault were yielded.
    """
    if location.startswith(HUB):
        return _hub_rows(location)
    path = resolve_path(location)
    read = _reader(location, path)
    if delimiter is not None and is_separated(location):
        read = partial(csv_rows, delimiter=delimiter)
    entries = _entries(location, path, read, _encodings.known(encoding))
    return (_row(location, position, value) for position, value in entries)


def read_keyed_rows(location: str) -> Iterator[tuple[str, Row]]:
    """Reads a JSON object that maps a key to each row, in the file's order.

    Args:
        location: a path or `package:path` of a .json or .json.gz file.

    Raises:
        InputError: as for `read_rows`, or the file holds no such object, or a key twice.
    """
    path = resolve_path(location)
    if location.startswith(HUB) or _reader(location, path) is not _json_rows:
        raise InputError(f"The data file {location!r} must be .json or .json.gz: an object that maps ids to rows.")
    entries = _entries(location, path, keyed_rows)
    return ((key, _row(location, f"entry {key!r}", value)) for key, value in entries)


def with_hub_split(location: str | None, split: str) -> str | None:
    """Names `split` in a hub location that names none; any other location stays as it is."""
    if location is None or not location.startswith(HUB) or ":" in location[len(HUB) :]:
        return location
    return f"{location}:{split}"


def is_separated(location: str | None) -> bool:
    """Whether a location is a file of values set apart by a delimiter: .csv or .tsv, also .gz."""
    return (location or "").lower().removesuffix(".gz").endswith((".csv", ".tsv"))


def _reader(location: str, path: Path) -> Callable[[str, Stream], Entries]:
    name = path.name.lower().removesuffix(".gz")
    for suffix, read in _READERS.items():
        if name.endswith(suffix):
            return read
    raise InputError(
        f"The data file {location!r} has an unknown format. Formats, by the name's ending: {', '.join(_READERS)}, "
        "each also with .gz; or hub:NAME."
    )


def _entries(location: str, path: Path, read: Callable[[str, Stream], Entries], encoding: str = UTF8) -> Entries:
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise InputError(f"The data file {location!r} {what}{_neighbours(path)} Name a data file.")
    return _guarded(location, path, read, encoding)


def _guarded(location: str, path: Path, read: Callable[[str, Stream], Entries], encoding: str) -> Entries:
    num_rows = 0
    try:
        with gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb") as file:
            recode = encoding != UTF8 and read is not parquet_rows
            stream: Stream = _encodings.as_utf8(location, file, encoding) if recode else file
            if read is not parquet_rows:
                _refuse_other_formats(location, stream)
            for entry in read(location, stream):
                num_rows += 1
                yield entry
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{location!r} is a broken gzip file after {num_rows} rows ({error}). It was probably cut short while it "
            "was copied, or is not gzip at all. Fetch it again, and check it with `gzip -t`."
        ) from error
    except OSError as error:
        raise InputError(
            f"{location!r} cannot be read after {num_rows} rows: {error.strerror or error}. Check its permissions and "
            "the disk."
        ) from error


def _neighbours(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f" (nor does its folder {str(folder)!r}).{looked_in(path)}"
    hint = nearest(path.name, [each.name for each in folder.iterdir() if each.is_file()])
    return f".{hint}{looked_in(path)}"


def _refuse_other_formats(location: str, stream: Stream) -> None:
    start = stream.peek(4)
    for magic, what in _OTHER_FORMATS.items():
        if start.startswith(magic):
            raise InputError(f"{location!r}, line 1: the file {what}.")


def _json_rows(location: str, stream: Stream) -> Entries:
    # Some publishers, MedMCQA's among them, name files of one object a line .json.
    yield from (jsonl_rows if _is_one_object_a_line(stream) else list_rows)(location, stream)


def _is_one_object_a_line(stream: Stream) -> bool:
    line = stream.readline(_MAX_FIRST_LINE)
    following = stream.readline(1)
    stream.seek(0)
    try:
        return following == b"{" and isinstance(json.loads(line.removeprefix(b"\xef\xbb\xbf")), dict)
    except (ValueError, RecursionError):
        return False


def _hub_rows(location: str) -> Iterator[Row]:
    name, _, split = location[len(HUB) :].partition(":")
    name, _, config = name.partition("@")
    try:
        import datasets
    except ImportError as error:
        raise InputError(f"Reading {location!r} needs datasets. Install it: pip install 'cowest[train]'.") from error
    try:
        rows: Iterable[dict[str, Any]] = datasets.load_dataset(name, config or None, split=split or "train")
    except Exception as error:  # The hub's client raises errors of several libraries, none of them with a common root.
        raise InputError(
            f"The data set {location!r} cannot be loaded from the hub: {error} Write hub:NAME[@CONFIG][:SPLIT], and "
            "check the network and, for a gated data set, the token."
        ) from error
    for number, fields in enumerate(rows, start=1):
        yield Row(location, f"row {number}", dict(fields))


def _row(location: str, position: str, value: Any) -> Row:
    if not isinstance(value, dict):
        hint = " Is the whole file one JSON list? Then name it .json." if position == "line 1" else ""
        raise InputError(
            f"{location!r}, {position}: a row must be a JSON object with named fields, not {kind_of(value)}.{hint}"
        )
    return Row(location, position, value)


_READERS: dict[str, Callable[[str, Stream], Entries]] = {
    ".json": _json_rows,
    ".jsonl": jsonl_rows,
    ".csv": csv_rows,
    ".tsv": partial(csv_rows, delimiter="\t"),
    ".parquet": parquet_rows,
}
