"""Rows of a run's JSONL files, read by their place in the file."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

Row = dict[str, Any]
"""A row as its file holds it, not as a checked record: the viewer also shows files that are damaged or incomplete."""

Rows = dict[str, list[Row]]
"""The rows of one example by the source they come from."""


class Place(NamedTuple):
    """Where a line is: the source it is in, and its first byte and length there."""

    source: str
    offset: int
    length: int


def scan(file: BinaryIO, source: str, growing: bool) -> Iterator[tuple[Place, Row | None]]:
    """Every line of a file with its row; None for a line that is no JSON object.

    Args:
        growing: whether a stage still writes to the file; an incomplete last line is then left out.
    """
    offset = 0
    for line in file:
        row = _json_object(line)
        if row is None and growing and not line.endswith(b"\n"):
            return
        yield Place(source, offset, len(line)), row
        offset += len(line)


def read(places: Iterable[Place], opened: Mapping[str, BinaryIO]) -> Rows:
    """The rows at these places; sources that are not open and lines that are no JSON objects are left out."""
    rows: Rows = {}
    for source, offset, length in places:
        if source not in opened:
            continue
        opened[source].seek(offset)
        row = _json_object(opened[source].read(length))
        if row is not None:
            rows.setdefault(source, []).append(row)
    return rows


def _json_object(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
