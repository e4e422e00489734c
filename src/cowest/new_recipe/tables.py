"""How a table is written: the character between its values, and the encoding of its text."""

import codecs
import gzip
import io
from pathlib import Path

from cowest.new_recipe.columns import Guess
from cowest.plugins import resolve_path

_MARKS = ",;\t|"
_MAX_HEADER = 2**20
_CHUNK = 2**20


def how_written(location: str) -> dict[str, Guess]:
    """The options `delimiter` and `encoding` that a file needs; none where it needs none, is on the hub or missing."""
    path, found = resolve_path(location), dict[str, Guess]()
    name = path.name.lower().removesuffix(".gz")
    if not name.endswith((".csv", ".tsv", ".json", ".jsonl")) or not path.is_file():
        return found
    encoding = _encoding(path)
    if encoding is not None:
        found["encoding"] = encoding
    if name.endswith((".csv", ".tsv")):
        own = "," if name.endswith(".csv") else "\t"
        mark = _delimiter(path, encoding.value if encoding else "utf-8", own)
        if mark != own:
            found["delimiter"] = Guess(mark, "as the header is written")
    return found


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")


def _encoding(path: Path) -> Guess | None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with _open(path) as file:
        data = file.read(_CHUNK)
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return Guess("utf-16", "as the file begins")
        try:
            while data:
                decoder.decode(data)
                data = file.read(_CHUNK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return Guess("cp1252", "a guess, since it is not UTF-8: look at the letters with accents")
    return None


def _delimiter(path: Path, encoding: str, own: str) -> str:
    with _open(path) as file:
        header = file.read(_MAX_HEADER).decode(encoding, "replace").partition("\n")[0]
    bare = "".join(header.split('"')[::2])  # what is not in quotes
    return max(_MARKS, key=lambda mark: (bare.count(mark), mark == own))
