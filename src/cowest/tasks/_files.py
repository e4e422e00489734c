"""Rows of a data file: .json .jsonl .csv .parquet, each also .gz, and `hub:NAME`; read as a stream, nothing dropped.

Whatever keeps a file from being read to its end is an InputError that names the file and the line.
"""

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from cowest.errors import InputError
from cowest.plugins import nearest, resolve_path
from cowest.tasks._rows import Row

HUB = "hub:"


def read_rows(location: str) -> Iterator[Row]:
    """Reads the rows of a location in the file's order.

    Args:
        location: a path, `package:path`, or `hub:NAME[@CONFIG][:SPLIT]` (the split is "train" where none is named).

    Raises:
        InputError: there is no such file, its format is unknown, or it is broken; rows before the fault were yielded.
    """
    if location.startswith(HUB):
        return _hub_rows(location)
    path = resolve_path(location)
    read = _reader(location, path)
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise InputError(f"The data file {location!r} {what}{_neighbours(path)} Name a data file.")
    return _guarded(location, path, read)


def with_hub_split(location: str | None, split: str) -> str | None:
    """Names `split` in a hub location that names none; any other location stays as it is."""
    if location is None or not location.startswith(HUB) or ":" in location[len(HUB) :]:
        return location
    return f"{location}:{split}"


def _reader(location: str, path: Path) -> Callable[[str, IO[bytes]], Iterator[Row]]:
    name = path.name.lower().removesuffix(".gz")
    for suffix, read in _READERS.items():
        if name.endswith(suffix):
            return read
    raise InputError(
        f"The data file {location!r} has an unknown format. Formats, by the name's ending: {', '.join(_READERS)}, "
        "each also with .gz; or hub:NAME."
    )


def _guarded(location: str, path: Path, read: Callable[[str, IO[bytes]], Iterator[Row]]) -> Iterator[Row]:
    compressed = path.name.lower().endswith(".gz")
    num_rows = 0
    try:
        # typing does not know that a GzipFile is an IO[bytes].
        with gzip.open(path, "rb") if compressed else path.open("rb") as stream:
            for row in read(location, stream):  # type: ignore[arg-type]
                num_rows += 1
                yield row
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
        return f" (nor does its folder {str(folder)!r}; the current folder is {str(Path.cwd())!r})."
    hint = nearest(path.name, [each.name for each in folder.iterdir() if each.is_file()])
    return f".{hint}"


def _jsonl_rows(location: str, stream: IO[bytes]) -> Iterator[Row]:
    # Split at \n alone: str.splitlines would also split at U+2028, which JSON strings may hold.
    for number, line in enumerate(stream, start=1):
        position = f"line {number}"
        text = _decode(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, location, position)
        if text.strip():
            yield _row(location, position, _parse(text, location, position))


def _json_rows(location: str, stream: IO[bytes]) -> Iterator[Row]:
    document = _parse(_decode(stream.read().removeprefix(b"\xef\xbb\xbf"), location, ""), location, "")
    if isinstance(document, dict) and isinstance(document.get("data"), list):
        document = document["data"]
    if not isinstance(document, list):
        raise InputError(
            f"{location!r} must hold a JSON list of objects (or an object with such a list under 'data'), but holds "
            f"{_kind(document)}. Is it one object a line? Then name it .jsonl."
        )
    for number, value in enumerate(document, start=1):
        yield _row(location, f"row {number}", value)


def _csv_rows(location: str, stream: IO[bytes]) -> Iterator[Row]:
    # The module's limit of 128 KiB a field is less than a long context.
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    reader = csv.reader(_decoded_lines(location, stream), strict=True)
    line = 1
    try:
        header = next(reader, None)
        if header is None:
            return
        _refuse_repeated_columns(location, header)
        line = reader.line_num + 1
        for values in reader:
            if values:
                if len(values) != len(header):
                    raise InputError(
                        f"{location!r}, line {line}: the row has {len(values)} values, but the header has "
                        f"{len(header)} columns. Quote values that hold commas or line breaks."
                    )
                yield Row(location, f"line {line}", dict(zip(header, values, strict=True)))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{location!r}, line {line}: this is not CSV ({error}). Check its quotes.") from error


def _decoded_lines(location: str, stream: IO[bytes]) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        yield _decode(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, location, f"line {number}")


def _refuse_repeated_columns(location: str, header: list[str]) -> None:
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise InputError(f"{location!r}: the header names {', '.join(map(repr, repeated))} more than once. Rename one.")


def _parquet_rows(location: str, stream: IO[bytes]) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(f"Reading {location!r} needs pyarrow. Install it: pip install 'cowest[train]'.") from error
    # Parquet is read from its end, so a compressed file has to be unpacked whole.
    source = io.BytesIO(stream.read()) if location.lower().endswith(".gz") else stream
    number = 0
    try:
        for batch in pyarrow.parquet.ParquetFile(source).iter_batches(batch_size=1024):
            for fields in batch.to_pylist():
                number += 1
                yield Row(location, f"row {number}", fields)
    except pyarrow.ArrowException as error:
        raise InputError(f"{location!r} is broken after row {number}, or is not Parquet: {error}.") from error


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


def _decode(data: bytes, location: str, position: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        number = f", line {data[: error.start].count(10) + 1}" if not position else f", {position}"
        raise InputError(
            f"{location!r}{number}: byte 0x{data[error.start]:02x} is not UTF-8. Save the file in UTF-8 "
            "(for instance with iconv -t UTF-8)."
        ) from error


def _parse(text: str, location: str, position: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = position or f"line {error.lineno}"
        raise InputError(
            f"{location!r}, {where}, column {error.colno}: this is not JSON ({error.msg}). It reads: "
            f"{text[max(0, error.pos - 20) : error.pos + 20].strip()!r}."
        ) from error
    except ValueError as error:  # A whole number of thousands of digits.
        raise InputError(f"{location!r}{', ' + position if position else ''}: this cannot be read: {error}.") from error
    except RecursionError as error:
        raise InputError(
            f"{location!r}{', ' + position if position else ''}: the JSON is nested too deeply."
        ) from error


def _row(location: str, position: str, value: Any) -> Row:
    if not isinstance(value, dict):
        raise InputError(
            f"{location!r}, {position}: a row must be a JSON object with named fields, not {_kind(value)}."
        )
    return Row(location, position, value)


def _kind(value: Any) -> str:
    kinds = {list: "a list", dict: "an object", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else kinds.get(type(value), type(value).__name__)


_READERS: dict[str, Callable[[str, IO[bytes]], Iterator[Row]]] = {
    ".json": _json_rows,
    ".jsonl": _jsonl_rows,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}
