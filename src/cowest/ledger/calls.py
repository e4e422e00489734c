"""The calls in a ledger: an intent before each is sent, its reply afterwards, and what a run paid.

An intent is on disk before a call is sent and its reply is on disk before the caller sees it, so that at most what
was in flight is ever paid again. One thread writes, in batches; readers never wait for it (WAL mode). Several runs may
share a file, also at the same time: each row names the run that paid for it.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from cowest.errors import CowestError
from cowest.ledger.bookings import KEEP, Bookings
from cowest.ledger.keys import call_key, kept, kept_reply
from cowest.ledger.lookups import Lookups
from cowest.ledger.opening import connect, connect_read_only, reading_error
from cowest.ledger.writer import BatchWriter, uncancellable
from cowest.types import ChatRequest, Completion

_INTEND = """
INSERT INTO calls (key, run, role, model, request_hash, request, started_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key, run) DO NOTHING
"""
_INTEND_AGAIN = "UPDATE calls SET started_at = ?, cost_usd = NULL WHERE key = ? AND run = ? AND response IS NULL"
_SETTLE = """
UPDATE calls SET response = ?1, usage = ?2, cost_usd = ?3, latency_s = ?4,
finished_at = MAX(?5, IFNULL((SELECT MAX(finished_at) + 1e-3 FROM calls WHERE key = ?6), 0)) WHERE key = ?6 AND run = ?7
"""
# What is kept later has the later time, although a clock may be set back: `lookup` goes by it.
_NUM_REPLIES = "SELECT COUNT(*) FROM calls WHERE key = ? AND response IS NOT NULL"


class Ledger:
    """Calls by key. Safe to share between threads, between the event loops of one process, and between processes.

    A row whose `response` is NULL is a call that was started and of which no reply was kept: it was in flight when
    the process ended, or it failed. Failures are never stored, so the same request is tried again.

    Two processes that want the same sample at the same time may each pay for it. Both then go on with the reply that
    was kept first, now and after a restart, and each run's spend holds what it paid.

    Args:
        path: the file; made where there is none, with its folder.
        run: who pays: what `spend_usd`, `counts` and `num_open` are about. Replies of other runs are found by
            `lookup` all the same.
        read_only: whether the file is only read and nothing on disk is changed; it must exist then.

    Attributes:
        bookings: what the run may have been billed for without a reply that says so.

    Raises:
        InputError: the path cannot be opened, or holds something that is not a ledger of this version.
    """

    def __init__(self, path: str | Path, run: str = "", *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.run = run
        connected = connect_read_only if read_only else connect
        self._reader = connected(self.path)
        self._reader_lock = threading.Lock()
        self._writer = BatchWriter(connected(self.path), self.path)
        self._lookups = Lookups(self.path, self._reading)
        self.bookings = Bookings(run, self._writer, self._reading)
        self._turns: dict[str, Future[None] | None] = {}
        self._turns_lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def key(role: str, model: str, identity: str, request: ChatRequest) -> str:
        """The key that a call is kept under; see `cowest.ledger.keys.call_key`."""
        return call_key(role, model, identity, request)

    def lookup(self, key: str) -> Completion | None:
        """The reply that was paid for under `key`, as it was then; None where there is none.

        Raises:
            CowestError: the file is damaged.
        """
        return self._lookups.one(key)

    async def find(self, key: str) -> Completion | None:
        """As `lookup`; those asked for in one turn of the event loop are looked up together.

        Raises:
            CowestError: the file is damaged.
        """
        return await self._lookups.soon(key)

    async def intend(self, key: str, role: str, model: str, request: ChatRequest) -> None:
        """Says that a call is about to be sent that nobody has a budget for; returns when that is on disk.

        What is booked for an earlier attempt at the same call, which had a budget and was cut off, stays booked.
        """
        values = (key, self.run, role, model, *kept(request), time.time())

        def write(connection: sqlite3.Connection) -> None:
            if not connection.execute(_INTEND, values).rowcount:
                connection.execute(KEEP, (key, self.run))
                connection.execute(_INTEND_AGAIN, (values[-1], key, self.run))

        await self._writer.write(write)

    async def settle(self, key: str, completion: Completion) -> Completion:
        """Keeps the reply of an intended call; returns when it is on disk.

        Returns:
            The reply to go on with: this one, or that of another run which was kept before it.
        """
        values = (*kept_reply(completion), completion.cost_usd, completion.latency_s)

        def keep(connection: sqlite3.Connection) -> int:
            if completion.cost_usd is None:
                connection.execute(KEEP, (key, self.run))
            # The time is taken inside the transaction: what is committed first must also be the earlier by its time.
            connection.execute(_SETTLE, (*values, time.time(), key, self.run))
            return int(connection.execute(_NUM_REPLIES, (key,)).fetchone()[0])

        num_replies = await self._writer.write(keep)
        return completion if num_replies == 1 else (self.lookup(key) or completion)

    def begin(self, key: str) -> "Future[None] | None":
        """Takes the turn to make the call `key`: None if it is the caller's, else what ends when the other's does.

        Whoever gets None calls `end(key)` afterwards, whatever happened.
        """
        with self._turns_lock:
            if key not in self._turns:
                self._turns[key] = None  # few turns are ever waited for
                return None
            turn = self._turns[key] = self._turns[key] or uncancellable()
            return turn

    def end(self, key: str) -> None:
        """Gives the turn back."""
        with self._turns_lock:
            turn = self._turns.pop(key)
        if turn is not None:
            turn.set_result(None)

    def spend_usd(self, role: str | None = None) -> float:
        """USD that this run paid, in all or for one role; replies of unknown price count nothing."""
        query = "SELECT TOTAL(cost_usd) FROM calls WHERE finished_at IS NOT NULL AND run = ?"
        with self._reading() as reader:
            if role is None:
                return float(reader.execute(query, (self.run,)).fetchone()[0])
            return float(reader.execute(f"{query} AND role = ?", (self.run, role)).fetchone()[0])

    def is_spend_known(self, role: str) -> bool:
        """Whether every reply that this run paid for a role has a price, so that `spend_usd` is all that was spent."""
        query = (
            "SELECT 1 FROM calls WHERE finished_at IS NOT NULL AND run = ? AND role = ? AND cost_usd IS NULL LIMIT 1"
        )
        with self._reading() as reader:
            return reader.execute(query, (self.run, role)).fetchone() is None

    def counts(self) -> dict[str, int]:
        """Number of replies that this run paid for, by role."""
        query = "SELECT role, COUNT(*) FROM calls WHERE finished_at IS NOT NULL AND run = ? GROUP BY role ORDER BY role"
        with self._reading() as reader:
            return dict(reader.execute(query, (self.run,)).fetchall())

    def totals(self) -> tuple[int, float]:
        """Number and USD of all replies in the file, whichever run paid for them."""
        with self._reading() as reader:
            row = reader.execute("SELECT COUNT(*), TOTAL(cost_usd) FROM calls WHERE finished_at IS NOT NULL").fetchone()
            return int(row[0]), float(row[1])

    def num_open(self) -> int:
        """Number of calls that this run started and of which no reply was kept."""
        query = "SELECT COUNT(*) FROM calls WHERE response IS NULL AND run = ?"
        with self._reading() as reader:
            return int(reader.execute(query, (self.run,)).fetchone()[0])

    def close(self) -> None:
        """Writes what is waiting and closes the file. Closing twice does nothing."""
        self._writer.close()
        with self._reader_lock:
            self._closed = True
            self._reader.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._reader_lock:
            if self._closed:
                raise CowestError(f"The ledger {str(self.path)!r} is closed.")
            try:
                yield self._reader
            except sqlite3.DatabaseError as error:
                raise reading_error(self.path, error) from error
