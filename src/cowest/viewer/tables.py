"""The SQLite tables of an index, and how an example is written into them."""

import math
import sqlite3

from cowest.viewer.query import TOKENIZE
from cowest.viewer.summaries import FLAGS, Item

SCHEMA = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE items (
    ord INTEGER PRIMARY KEY, id TEXT NOT NULL, excerpt TEXT NOT NULL, score REAL, gain REAL, alone REAL, answer TEXT,
    {", ".join(f"{flag} INTEGER NOT NULL" for flag in FLAGS)}
);
CREATE TABLE places (id TEXT NOT NULL, source TEXT NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL);
CREATE TABLE facets (name TEXT NOT NULL, value TEXT NOT NULL, ord INTEGER NOT NULL);
CREATE TABLE broken (source TEXT NOT NULL, line INTEGER NOT NULL);
CREATE INDEX items_id ON items (id);
CREATE INDEX items_falling ON items (gain DESC, ord);
CREATE INDEX items_rising ON items (gain IS NULL, gain, ord);
CREATE INDEX places_id ON places (id);
CREATE INDEX facets_value ON facets (name, value, ord);
{"".join(f"CREATE INDEX items_{flag} ON items (gain DESC, ord) WHERE {flag};" for flag in FLAGS)}
CREATE VIRTUAL TABLE search USING fts5 (
    text, content='', detail=none, {TOKENIZE}
);
CREATE VIRTUAL TABLE vocabulary USING fts5vocab(search, row);
CREATE TABLE terms (term TEXT PRIMARY KEY) WITHOUT ROWID;
"""


def insert(connection: sqlite3.Connection, number: int, identifier: str, item: Item) -> None:
    """Writes one example; `number` is its position in the data."""
    flags = [int(flag in item.flags) for flag in FLAGS]
    marks = ", ".join("?" * (7 + len(flags)))
    answer = None if item.answer is None else clean(item.answer)
    scores = map(_real, (item.score, item.gain, item.alone))
    values = (number, clean(identifier), clean(item.excerpt), *scores, answer, *flags)
    connection.execute(f"INSERT INTO items VALUES ({marks})", values)
    connection.execute("INSERT INTO search (rowid, text) VALUES (?, ?)", (number, clean(f"{identifier}\n{item.text}")))
    for name, value in item.facets.items():
        connection.execute("INSERT INTO facets VALUES (?, ?, ?)", (clean(name), clean(value), number))


def clean(value: object) -> str:
    """A value as text that SQLite takes: a model's text can hold half a surrogate pair."""
    return str(value).encode("utf-8", "replace").decode()


def _real(value: float | None) -> float | None:
    """A number as SQLite and the page take it; an integer of a damaged file can be larger than any float."""
    if value is None:
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
