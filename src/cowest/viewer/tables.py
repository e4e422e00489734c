"""The SQLite tables of an index, and how an example is written into them."""

import sqlite3

from cowest.viewer.collections import FLAGS, Item
from cowest.viewer.query import TOKENIZE

SCHEMA = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE items (
    ord INTEGER PRIMARY KEY, id TEXT NOT NULL, excerpt TEXT NOT NULL, score REAL, gain REAL, answer TEXT,
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
    marks = ", ".join("?" * (6 + len(flags)))
    values = (number, _clean(identifier), _clean(item.excerpt), item.score, item.gain, _clean(item.answer))
    connection.execute(f"INSERT INTO items VALUES ({marks})", (*values, *flags))
    connection.execute("INSERT INTO search (rowid, text) VALUES (?, ?)", (number, _clean(f"{identifier}\n{item.text}")))
    for name, value in item.facets.items():
        connection.execute("INSERT INTO facets VALUES (?, ?, ?)", (_clean(name), _clean(value), number))


def _clean(text: str | None) -> str | None:
    # A model's text can hold half a surrogate pair, which SQLite refuses.
    return None if text is None else text.encode("utf-8", "replace").decode()
