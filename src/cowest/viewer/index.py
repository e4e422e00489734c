"""The index of one collection: an SQLite file that finds the examples which a filter or a search leaves."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cowest.viewer.collections import FLAGS, Collection, Item, Rows
from cowest.viewer.query import TOKENIZE, Wanted, make_query, match_of

_CHUNK = 500
"""Examples that become visible together while the index is made."""

_MAX_FACET_VALUES = 200

COUNTED = 1000
"""A search counts so many examples beyond the page that is shown; what is more is said to be more."""

_SCHEMA = f"""
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


@dataclass(frozen=True)
class Page:
    """Some examples of a list.

    Attributes:
        total: how many there are in all, or at least.
        is_more: whether there are more than `total`, which a search does not count to the end.
        is_whole_word: whether so many words begin as the last one of the search that it was searched as it stands.
    """

    items: list[dict[str, Any]]
    total: int
    is_more: bool = False
    is_whole_word: bool = False


class Index:
    """One collection in one SQLite file. Reading is safe from any thread, also while the index is being made.

    Args:
        path: the file; made by `build`.
        collection: what is indexed.
    """

    def __init__(self, path: Path, collection: Collection) -> None:
        self.path = path
        self.collection = collection
        self.version = collection.version
        self.is_complete = False
        self.share_done = 0.0
        self.made_at = self.took_s = 0.0
        self.about: dict[str, Any] | None = None
        self.problem: str | None = None
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(_SCHEMA)

    def build(self, is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Reads the files and fills the index; what is read so far can be seen meanwhile.

        Args:
            is_wanted: asked now and then; the work ends where the answer is no.
        """
        started = time.monotonic()
        primary, *others = self.collection.sources
        total = sum(size for _, size, _ in self.version) or 1
        read = 0
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for source in others:
                connection.execute("BEGIN")
                for number, place in enumerate(self._places(connection, source)):
                    connection.execute("INSERT INTO places VALUES (?, ?, ?, ?)", place[:4])
                    if number % _CHUNK == 0 and not is_wanted():
                        return
                connection.execute("COMMIT")
                read += self._size(source)
                self.share_done = read / total
            with contextlib.ExitStack() as files:
                opened = {name: files.enter_context(path.open("rb")) for name, path in self._files().items()}
                connection.execute("BEGIN")
                for number, item in enumerate(self._examples(connection, primary, opened)):
                    _insert(connection, number, *item)
                    if number % _CHUNK == _CHUNK - 1:
                        connection.execute("COMMIT")
                        self.share_done = (read + opened[primary].tell()) / total if primary in opened else 1.0
                        if not is_wanted():
                            return
                        connection.execute("BEGIN")
                connection.execute("INSERT OR IGNORE INTO terms SELECT term FROM vocabulary")
                connection.execute("COMMIT")
        self.made_at = time.monotonic()
        self.took_s = self.made_at - started
        self.share_done, self.is_complete = 1.0, True

    def page(self, wanted: Wanted, offset: int, limit: int, other: Path | None = None) -> "Page":
        """Some examples of a list, and how many there are in all."""
        columns = f"items.id, items.excerpt, items.score, items.gain, items.answer, {_flag_columns()}"
        columns += ", other.score AS other_score, other.answer AS other_answer" if other else ""
        with self._open(other) as connection:
            match, is_whole_word = match_of(connection, wanted.words, self.is_complete)
            query = make_query(wanted, match, other is not None)
            found = connection.execute(
                f"SELECT {columns} FROM {query.with_items} {query.where} ORDER BY {query.order} LIMIT ? OFFSET ?",
                (*query.values, limit, offset),
            ).fetchall()
            most = offset + limit + COUNTED if match else -1
            counted = f"SELECT COUNT(*) FROM (SELECT 1 FROM {query.tables} {query.where} LIMIT ?)"
            total = connection.execute(counted, (*query.values, most if most < 0 else most + 1)).fetchone()[0]
        return Page([_document(dict(row)) for row in found], min(total, most) if match else total,
                    is_more=bool(match) and total > most, is_whole_word=is_whole_word)  # fmt: skip

    def counts(self) -> dict[str, int]:
        """How many examples there are under "", and how many each flag holds for."""
        sums = ", ".join(f"(SELECT COUNT(*) FROM items WHERE {flag}) AS {flag}" for flag in FLAGS)
        with self._open() as connection:
            row = connection.execute(f'SELECT (SELECT COUNT(*) FROM items) AS "", {sums}').fetchone()
        return dict(row)

    def facets(self) -> dict[str, dict[str, int]]:
        """The values of each field with their counts, where they part the examples into a few groups."""
        with self._open() as connection:
            names = [
                row[0] for row in connection.execute("SELECT DISTINCT name FROM facets ORDER BY name = 'label' DESC")
            ]
            found = {}
            for name in names:
                grouped = "SELECT value, COUNT(*) FROM facets WHERE name = ? GROUP BY value ORDER BY 2 DESC, 1 LIMIT ?"
                values = dict(tuple(row) for row in connection.execute(grouped, (name, _MAX_FACET_VALUES + 1)))
                if 1 < len(values) <= _MAX_FACET_VALUES and max(values.values()) > 1:
                    found[name] = values
        return found

    def rows(self, identifier: str) -> Rows:
        """The rows of one example by source, read from the files; empty where there is no such example."""
        with self._open() as connection:
            places = connection.execute(
                "SELECT source, offset, length FROM places WHERE id = ? ORDER BY rowid", (identifier,)
            ).fetchall()
        with contextlib.ExitStack() as files:
            opened = {name: files.enter_context(path.open("rb")) for name, path in self._files().items()}
            rows = _read(places, opened)
        # A file that was replaced since it was indexed has other rows in these places.
        name = self.collection.id_field
        own = {source: [row for row in found if str(row.get(name)) == identifier] for source, found in rows.items()}
        return {source: found for source, found in own.items() if found}

    def num_broken(self) -> dict[str, int]:
        """Lines that could not be read, by source."""
        with self._open() as connection:
            found = connection.execute("SELECT source, COUNT(*) FROM broken GROUP BY source").fetchall()
        return {row[0]: row[1] for row in found}

    @contextlib.contextmanager
    def _open(self, other: Path | None = None) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            if other:
                connection.execute("ATTACH ? AS there", (f"{other.as_uri()}?mode=ro",))
            yield connection

    def _files(self) -> dict[str, Path]:
        return {name: path for name, path in self.collection.sources.items() if path.is_file()}

    def _size(self, source: str) -> int:
        return next((size for name, size, _ in self.version if name == source), 0)

    def _places(
        self, connection: sqlite3.Connection, source: str
    ) -> Iterator[tuple[str, str, int, int, dict[str, Any]]]:
        offset = 0
        try:
            file = self.collection.sources[source].open("rb")
        except OSError:  # removed meanwhile: the next look at the folder makes another index
            return
        with file:
            for number, line in enumerate(file, 1):
                row = _json_object(line)
                if row is None and self.collection.growing and not line.endswith(b"\n"):
                    return  # the rest of this line is being written
                if row is None or row.get(self.collection.id_field) is None:
                    connection.execute("INSERT INTO broken VALUES (?, ?)", (source, number))
                else:
                    yield str(row[self.collection.id_field]), source, offset, len(line), row
                offset += len(line)

    def _examples(
        self, connection: sqlite3.Connection, primary: str, opened: Mapping[str, BinaryIO]
    ) -> Iterator[tuple[str, Item]]:
        """Every example once: those of the first file in its order, then those that only other files hold."""
        find_others = "SELECT source, offset, length FROM places WHERE id = ? ORDER BY rowid"
        for number, (identifier, source, offset, length, row) in enumerate(self._places(connection, primary), 1):
            others = connection.execute(find_others, (identifier,)).fetchall()
            connection.execute("INSERT INTO places VALUES (?, ?, ?, ?)", (identifier, source, offset, length))
            try:
                item = self.collection.summarise({primary: [row], **_read(others, opened)})
            except (TypeError, ValueError, AttributeError, KeyError):  # fields of other kinds than a stage writes
                connection.execute("INSERT INTO broken VALUES (?, ?)", (source, number))
                continue
            yield identifier, item
        alone = (
            "SELECT DISTINCT id FROM places WHERE id NOT IN (SELECT id FROM items) "
            "AND id NOT IN (SELECT id FROM places WHERE source = ?)"
        )
        for (identifier,) in connection.execute(alone, (primary,)).fetchall():
            yield identifier, self.collection.summarise(_read(connection.execute(find_others, (identifier,)), opened))


def _insert(connection: sqlite3.Connection, number: int, identifier: str, item: Item) -> None:
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


def _flag_columns() -> str:
    return ", ".join(f"items.{flag}" for flag in FLAGS)


def _document(row: dict[str, Any]) -> dict[str, Any]:
    flags = [flag for flag in FLAGS if row.pop(flag)]
    return row | {"flags": flags}


def _read(places: Any, opened: Mapping[str, BinaryIO]) -> Rows:
    rows: Rows = {}
    for source, offset, length in places:
        if source not in opened:
            continue
        opened[source].seek(offset)
        row = _json_object(opened[source].read(length))
        if row is not None:
            rows.setdefault(source, []).append(row)
    return rows


def _json_object(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
