"""The index of one collection: an SQLite file that finds the examples which a filter or a search leaves."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from cowest.viewer.collections import Collection
from cowest.viewer.documents import CollectionOverview, ComparedItem, ListedItem, Page
from cowest.viewer.query import Wanted, make_query, match_of
from cowest.viewer.rows import Place, Row, Rows, read, scan
from cowest.viewer.summaries import FLAGS, Item
from cowest.viewer.tables import SCHEMA, clean, insert

_CHUNK = 500
"""Examples that become visible together while the index is made."""

_MAX_FACET_VALUES = 200

COUNTED = 1000
"""A search counts at most this many examples beyond the page that is shown; the list then says "more than"."""


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
        self._scanned = 0
        self.made_at = self.took_s = 0.0
        self._overview: CollectionOverview | None = None
        self.problem: str | None = None
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(SCHEMA)

    def build(self, is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Reads the files and fills the index; examples that are read so far can be listed meanwhile.

        Args:
            is_wanted: called between chunks; building stops where it returns False.
        """
        started = time.monotonic()
        primary, *others = self.collection.sources
        total = sum(size for _, size, _ in self.version) or 1
        bytes_read = 0
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for source in others:
                connection.execute("BEGIN")
                for number, (identifier, place, _) in enumerate(self._places(connection, source)):
                    connection.execute("INSERT INTO places VALUES (?, ?, ?, ?)", (identifier, *place))
                    if number % _CHUNK == 0:
                        self.share_done = (bytes_read + place.offset) / total
                        if not is_wanted():
                            return
                connection.execute("COMMIT")
                bytes_read += self._size(source)
                self.share_done = bytes_read / total
            with contextlib.ExitStack() as files:
                opened = {name: files.enter_context(path.open("rb")) for name, path in self._files().items()}
                connection.execute("BEGIN")
                for number, item in enumerate(self._examples(connection, primary, opened)):
                    insert(connection, number, *item)
                    if number % _CHUNK == _CHUNK - 1:
                        connection.execute("COMMIT")
                        self.share_done = min(1.0, (bytes_read + self._scanned) / total)
                        if not is_wanted():
                            return
                        connection.execute("BEGIN")
                connection.execute("INSERT OR IGNORE INTO terms SELECT term FROM vocabulary")
                connection.execute("COMMIT")
        self.made_at = time.monotonic()
        self.took_s = self.made_at - started
        self.share_done, self.is_complete = 1.0, True

    def page(self, wanted: Wanted, offset: int, limit: int, other: Path | None = None) -> Page:
        """Some examples of a list, and how many there are in all.

        Args:
            other: another collection's index, whose examples are compared by their ids.
        """
        columns = f"items.id, items.excerpt, items.score, items.gain, items.alone, items.answer, {_flag_columns()}"
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
        return Page(
            items=[_listed(row, other is not None) for row in found],
            total=min(total, most) if match else total,
            is_more=bool(match) and total > most,
            is_whole_word=is_whole_word,
        )

    def overview(self) -> CollectionOverview:
        """What a page shows about the collection; counted once where the index is complete."""
        if self.is_complete and self._overview is not None:
            return self._overview
        is_complete = self.is_complete
        found = CollectionOverview(
            name=self.collection.name,
            title=self.collection.title,
            counts=self.counts(),
            facets=self.facets(),
            growing=self.collection.growing,
            complete=is_complete or self.problem is not None,
            problem=self.problem,
            share_done=round(self.share_done, 3),
            broken=self.num_broken(),
        )
        if is_complete:
            self._overview = found
        return found

    def counts(self) -> dict[str, int]:
        """How many examples each flag holds for; the number of all examples under ""."""
        sums = ", ".join(f"(SELECT COUNT(*) FROM items WHERE {flag}) AS {flag}" for flag in FLAGS)
        with self._open() as connection:
            row = connection.execute(f'SELECT (SELECT COUNT(*) FROM items) AS "", {sums}').fetchone()
        return dict(row)

    def facets(self) -> dict[str, dict[str, int]]:
        """The values of each field with their counts, where they divide the examples into a few groups."""
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
            rows = read(map(Place._make, places), opened)
        # A file that was replaced since it was indexed has other rows in these places.
        name = self.collection.id_field
        own = {source: [row for row in found if clean(row.get(name)) == identifier] for source, found in rows.items()}
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

    def _places(self, connection: sqlite3.Connection, source: str) -> Iterator[tuple[str, Place, Row]]:
        """The rows of a source, each with its example's id; lines without one are written down as broken."""
        try:
            file = self.collection.sources[source].open("rb")
        except OSError:  # removed meanwhile: the next look at the folder makes another index
            return
        with file:
            for number, (place, row) in enumerate(scan(file, source, self.collection.growing), 1):
                if row is None or row.get(self.collection.id_field) is None:
                    connection.execute("INSERT INTO broken VALUES (?, ?)", (source, number))
                else:
                    self._scanned = place.offset + place.length
                    yield clean(row[self.collection.id_field]), place, row

    def _examples(
        self, connection: sqlite3.Connection, primary: str, opened: Mapping[str, BinaryIO]
    ) -> Iterator[tuple[str, Item]]:
        """Every example once: those of the first file in its order, then those that only other files hold."""
        find_others = "SELECT source, offset, length FROM places WHERE id = ? ORDER BY rowid"
        for number, (identifier, place, row) in enumerate(self._places(connection, primary), 1):
            others = connection.execute(find_others, (identifier,)).fetchall()
            connection.execute("INSERT INTO places VALUES (?, ?, ?, ?)", (identifier, *place))
            item = self._item({primary: [row], **read(map(Place._make, others), opened)})
            if item is None:
                connection.execute("INSERT INTO broken VALUES (?, ?)", (primary, number))
            else:
                yield identifier, item
        alone = (
            "SELECT DISTINCT id FROM places WHERE id NOT IN (SELECT id FROM items) "
            "AND id NOT IN (SELECT id FROM places WHERE source = ?)"
        )
        for (identifier,) in connection.execute(alone, (primary,)).fetchall():
            places = list(map(Place._make, connection.execute(find_others, (identifier,))))
            item = self._item(read(places, opened))
            if item is None:
                connection.execute("INSERT INTO broken VALUES (?, ?)", (places[0].source, 0))
            else:
                yield identifier, item

    def _item(self, rows: Rows) -> Item | None:
        try:
            return self.collection.summarise(rows)
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError):
            return None  # fields of other types than a stage writes, or a number beyond all bounds


def _flag_columns() -> str:
    return ", ".join(f"items.{flag}" for flag in FLAGS)


def _listed(row: sqlite3.Row, is_compared: bool) -> ListedItem:
    flags = tuple(flag for flag in FLAGS if row[flag])
    shown = (row["id"], row["excerpt"], row["score"], row["gain"], row["alone"], row["answer"], flags)
    return ComparedItem(*shown, row["other_score"], row["other_answer"]) if is_compared else ListedItem(*shown)
