"""A damaged ledger: what is wrong with it, and a new one made of the rows that can still be read."""

import contextlib
import os
import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cowest.errors import InputError
from cowest.ledger.lookups import completion_of
from cowest.ledger.opening import connect, connect_read_only, damaged

_COLUMNS = (
    *("key", "run", "role", "model", "request_hash", "request", "response", "usage", "cost_usd", "latency_s"),
    *("started_at", "finished_at"),
)
_KEY_LENGTH = 64
_PROBED_BEYOND = 100_000
"""Rows tried after the last one that could be read, where nothing says how many there were."""


@dataclass
class Recovered:
    """What became of a damaged ledger.

    Attributes:
        kept_as: the damaged file.
        num_replies: that are in the new ledger.
        num_lost: replies that are not; None where the file no longer says how many there were.
        lost_usd: what the lost ones cost, by run and role. It still counts towards budgets.
        bookings_may_be_lost: whether rows that say what calls without a reply may have cost can be among those that
            were not read. Nothing else in the file tells of them.
    """

    kept_as: Path
    num_replies: int = 0
    num_lost: int | None = 0
    lost_usd: dict[tuple[str, str], float] = field(default_factory=dict)
    bookings_may_be_lost: bool = False


def find_damage(path: Path) -> str | None:
    """What is wrong with a ledger, and what to do; None where every row can be read. Reads the whole file."""
    try:
        with contextlib.closing(connect_read_only(path)) as connection:
            problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                return damaged(path, problem)
            query = f"SELECT {', '.join(_COLUMNS)} FROM calls"
            num_broken = sum(not _is_whole(row) for row in connection.execute(query))
            return damaged(path, f"{num_broken} of its rows hold no reply") if num_broken else None
    except sqlite3.Error as error:
        return damaged(path, error)
    except InputError as error:
        return str(error)


def recover(path: Path) -> Recovered:
    """Replaces a ledger by one of the rows that can be read. No process may be using it.

    A kill at any moment leaves the damaged ledger or the new one at `path`.

    Raises:
        InputError: not even the names of the tables can be read; nothing was changed.
        CowestError: the new file cannot be written.
    """
    path = path.resolve()
    new = path.with_name(f"{path.name}.recovered")
    for ending in ("", "-wal", "-shm"):
        new.with_name(new.name + ending).unlink(missing_ok=True)
    result = Recovered(_free_name(path))
    with contextlib.closing(connect_read_only(path)) as old, contextlib.closing(connect(new)) as made:
        made.execute("BEGIN")
        _copy(old, made, result)
        made.execute("COMMIT")
        made.execute("PRAGMA journal_mode = DELETE")  # one whole file, which can be renamed
    _replace(path, new, result.kept_as)
    return result


def _replace(path: Path, new: Path, kept_as: Path) -> None:
    log, shared = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
    if log.exists():
        _keep(log, kept_as.with_name(f"{kept_as.name}-wal"))
        _merge_log(path)
    _keep(path, kept_as)
    for left in (log, shared):  # of a log that cannot be merged: SQLite would take it for the new file's
        left.unlink(missing_ok=True)
    new.replace(path)


def _keep(file: Path, kept_as: Path) -> None:
    try:
        os.link(file, kept_as)
    except OSError:  # a file system without hard links
        shutil.copy(file, kept_as)


def _merge_log(path: Path) -> None:
    """Moves what is in the log into the file and removes the log, as SQLite does for whoever closes it last."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as connection,
    ):
        connection.execute("PRAGMA user_version").fetchone()


def _copy(old: sqlite3.Connection, made: sqlite3.Connection, result: Recovered) -> None:
    paid = _paid(old)
    recovered, recovered_usd = Counter[tuple[str, str]](), defaultdict[tuple[str, str], float](float)
    marks = ", ".join("?" * len(_COLUMNS))
    for row in _rows(old, "calls", _COLUMNS, result):
        named = dict(zip(_COLUMNS, row, strict=True))
        if not _is_whole(row):
            result.bookings_may_be_lost |= named["response"] is None
            continue
        added = made.execute(f"INSERT OR IGNORE INTO calls ({', '.join(_COLUMNS)}) VALUES ({marks})", row)
        if added.rowcount and named["response"] is not None:
            result.num_replies += 1
            recovered[named["run"], named["role"]] += 1
            recovered_usd[named["run"], named["role"]] += named["cost_usd"] or 0.0
    for row in _rows(old, "billed_failures", ("run", "role", "cost_usd", "at"), result):
        if [type(value) for value in row] == [str, str, float, float]:
            made.execute("INSERT INTO billed_failures VALUES (?, ?, ?, ?)", row)
        else:
            result.bookings_may_be_lost = True
    result.num_lost = None if paid is None else 0
    for payer, (num_calls, usd) in (paid or {}).items():
        result.num_lost = (result.num_lost or 0) + max(0, num_calls - recovered[payer])
        lost = usd - recovered_usd[payer]
        if lost > 1e-9:  # not what is left of a sum of floats
            result.lost_usd[payer] = lost
            made.execute("INSERT INTO billed_failures VALUES (?, ?, ?, 0)", (*payer, lost))


def _paid(old: sqlite3.Connection) -> dict[tuple[str, str], tuple[int, float]] | None:
    """Replies and USD by run and role as the index says, which may be whole where the table is not; else None."""
    query = (
        "SELECT run, role, COUNT(*), TOTAL(cost_usd) FROM calls INDEXED BY spend WHERE finished_at IS NOT NULL "
        "GROUP BY run, role"
    )
    try:
        return {(run, role): (num_calls, usd) for run, role, num_calls, usd in old.execute(query).fetchall()}
    except sqlite3.DatabaseError:
        return None


def _rows(
    old: sqlite3.Connection, table: str, columns: tuple[str, ...], result: Recovered
) -> Iterator[tuple[Any, ...]]:
    """Every row that can be read: in one scan up to a damaged page, then one by one until the scan can go on."""
    names = ", ".join(columns)
    number, last = 0, None
    while True:
        try:
            for row in old.execute(f"SELECT rowid, {names} FROM {table} WHERE rowid > ? ORDER BY rowid", (number,)):
                number = row[0]
                yield row[1:]
            return
        except sqlite3.DatabaseError:
            result.bookings_may_be_lost = True
            last = _last_row(old, table, number) if last is None else last
        while True:
            number += 1
            if number > last:
                return
            try:
                found = old.execute(f"SELECT {names} FROM {table} WHERE rowid = ?", (number,)).fetchone()
            except sqlite3.DatabaseError:
                continue
            if found is not None:
                yield found
                break


def _last_row(old: sqlite3.Connection, table: str, read: int) -> int:
    """The number of the table's last row, from the table's end or from an index."""
    queries = [f"SELECT rowid FROM {table} ORDER BY rowid DESC LIMIT 1"]
    if table == "calls":
        queries += ["SELECT MAX(rowid) FROM calls INDEXED BY sqlite_autoindex_calls_1"]
        queries += ["SELECT MAX(rowid) FROM calls INDEXED BY spend WHERE finished_at IS NOT NULL"]
    for query in queries:
        with contextlib.suppress(sqlite3.DatabaseError):
            row = old.execute(query).fetchone()
            if row is not None and row[0] is not None:
                return int(row[0])
    return read + _PROBED_BEYOND


def _is_whole(row: tuple[Any, ...]) -> bool:
    named = dict(zip(_COLUMNS, row, strict=True))
    texts = ("key", "run", "role", "model", "request_hash", "request")
    if not all(isinstance(named[name], str) for name in texts) or len(named["key"]) != _KEY_LENGTH:
        return False
    if not isinstance(named["started_at"], float):
        return False
    if named["response"] is None:
        return True
    try:
        completion_of(*(named[name] for name in ("response", "usage", "cost_usd", "latency_s")))
    except ValueError:
        return False
    return True


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.damaged{ending}") for ending in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(name for name in names if not any(name.with_name(name.name + end).exists() for end in ("", "-wal")))
