"""Rows of text files that are read line by line: .jsonl, .csv and .tsv."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from cowest.errors import InputError
from cowest.tasks import _text
from cowest.tasks._json import parse


def jsonl_rows(location: str, stream: io.BufferedIOBase) -> Iterator[tuple[str, Any]]:
    """Reads one JSON value a line, each with its position ("line 3"); empty lines are passed over."""
    for number, text in _lines(location, stream):
        if text.strip():
            yield f"line {number}", parse(text.rstrip("\r\n"), location, f"line {number}", _shape_hint(text))


def _shape_hint(text: str) -> str:
    """What to do where a line of a .jsonl file looks like a part of a .json document."""
    start = text.strip()
    if start.startswith("["):
        return " Is the whole file one JSON list? Then name it .json."
    return " Does an object go over several lines? Put it on one, or name a list of them .json." if start == "{" else ""


def _lines(location: str, stream: io.BufferedIOBase) -> Iterator[tuple[int, str]]:
    """Yields lines with their numbers. They end at \\n alone; str.splitlines would also split inside JSON strings."""
    number = 0
    while line := stream.readline(_text.MAX_ROW + 1):
        number += 1
        where = f"{location!r}, line {number}"
        if len(line) > _text.MAX_ROW:
            hint = _shape_hint(line[:80].decode("utf-8", "replace")) or " Does it lack line breaks?"
            raise InputError(f"{where}: the line is longer than {_text.MAX_ROW_MIB} MiB, the limit of a row.{hint}")
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _text.no_utf8(line, error.start, where) from error
        _text.refuse_null_bytes(text, where)
        yield number, text


def csv_rows(location: str, stream: io.BufferedIOBase, delimiter: str = ",") -> Iterator[tuple[str, Any]]:
    """Reads the rows below a header, each with the line where it begins.

    Args:
        delimiter: the character between two values of a row.

    Raises:
        InputError: this is not CSV, a column's name occurs twice, or a row has more or fewer values than the header.
    """
    # The module's limit of 128 KiB a field is less than a long context.
    csv.field_size_limit(_text.MAX_ROW)
    reader = csv.reader((text for _, text in _lines(location, stream)), delimiter=delimiter, strict=True)
    line = 1
    try:
        header = next(reader, None)
        if header is None:
            return
        _check_header(location, header, delimiter)
        line = reader.line_num + 1
        for values in reader:
            if values:
                if len(values) != len(header):
                    raise InputError(
                        f"{location!r}, line {line}: the row has {len(values)} values, but the header has "
                        f"{len(header)} columns. Quote values that hold {delimiter!r} or line breaks."
                    )
                yield f"line {line}", dict(zip(header, values, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{location!r}, line {line}: this is not CSV ({error}). Check its quotes: one may never be closed."
        ) from error


def refuse_repeated_columns(location: str, names: list[str], position: str = "") -> None:
    """Refuses columns with the same name, of which all but one would be lost."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"{location!r}{position}: the columns {', '.join(map(repr, repeated))} occur more than once. Rename one."
        )


def _check_header(location: str, header: list[str], delimiter: str) -> None:
    refuse_repeated_columns(location, header, ", line 1")
    for mark, called in {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}.items():
        if len(header) == 1 and mark in header[0] and mark != delimiter:
            raise InputError(
                f"{location!r}, line 1: the header is one column, {header[0][:80]!r}. Are the columns set apart by "
                f'{called}? The task jsonl takes them with task.delimiter: "{_SHOWN.get(mark, mark)}"; for the other '
                "tasks save the file with commas, or with tabs and a name that ends in .tsv."
            )


_SHOWN = {"\t": r"\t"}
