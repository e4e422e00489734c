"""A corpus for retrieval, made from the rows of data files or of data sets on the hub."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cowest import runs
from cowest.errors import CowestError, InputError
from cowest.progress import progress_bar
from cowest.runs.files import open_new
from cowest.tasks import Row, read_rows


class CorpusCounts(NamedTuple):
    """What became of the rows: written, without text, and with a text that an earlier row has too."""

    num_texts: int
    num_empty: int
    num_repeated: int


def write_corpus(sources: Sequence[str], fields: Sequence[str], to: str | Path) -> CorpusCounts:
    """Writes a row {"id", "text"} for each row of the sources, as a stream; an old file stays until the new is whole.

    Args:
        sources: files as a task takes them, or `hub:NAME[@CONFIG][:SPLIT]`; ids count their rows from 1.
        fields: texts or lists of texts; those of a row are joined by line breaks. One that is null or empty counts for
            nothing.
        to: a .jsonl file.

    Raises:
        InputError: a source cannot be read, lacks a field, or holds no text at all.
        CowestError: the file cannot be written.
    """
    path = Path(to).expanduser()
    if path.suffix != ".jsonl":
        raise InputError(f"A corpus is a .jsonl file, but --to is {str(to)!r}. Let the name end in .jsonl.")
    seen: set[bytes] = set()
    num_rows = num_empty = 0
    partial = path.with_name(path.name + ".partial")
    try:
        with runs.made(path.parent), _removed(partial):
            with open_new(partial) as file, progress_bar("corpus") as bar:
                for num_rows, row in enumerate(_rows(sources), 1):
                    text = "\n".join(part for field in fields for part in _texts(row, field))
                    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
                    if not text:
                        num_empty += 1
                    elif digest not in seen:
                        seen.add(digest)
                        file.write(json.dumps({"id": str(num_rows), "text": text}) + "\n")
                    bar.advance(1)
            if not seen:
                names = ", ".join(sources)
                raise InputError(f"No row of {names} has a text in {', '.join(fields)}. Name other fields.")
            partial.replace(path)
    except OSError as error:
        raise CowestError(f"The corpus {str(path)!r} cannot be written: {error.strerror or error}.") from error
    return CorpusCounts(len(seen), num_empty, num_rows - num_empty - len(seen))


@contextlib.contextmanager
def _removed(path: Path) -> Iterator[None]:
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _rows(sources: Sequence[str]) -> Iterator[Row]:
    for source in sources:
        yield from read_rows(source)


def _texts(row: Row, field: str) -> list[str]:
    value = row.value(field)
    entries = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(entry, (dict, list, tuple)) for entry in entries):
        raise row.error(field, f"a text or a list of texts is needed, but the value is {str(value)[:60]!r}.")
    return [text for entry in entries if entry is not None and (text := str(entry).strip())]
