"""Every paid call once: the SQLite file that lets a run stop at any moment and go on without paying twice.

An intent is on disk before a call is sent and its reply is on disk before the caller sees it, so that at most what
was in flight is ever paid again. One thread writes, in batches; readers never wait for it (WAL mode).
"""

import asyncio
import hashlib
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from cowest.errors import CowestError, InputError
from cowest.types import ChatRequest, Completion, Usage

_VERSION = 1
_BATCH_ROWS = 64
_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY, role TEXT NOT NULL, model TEXT NOT NULL, request_hash TEXT NOT NULL, request TEXT NOT NULL,
    response TEXT, usage TEXT, cost_usd REAL, latency_s REAL, started_at REAL NOT NULL, finished_at REAL
) WITHOUT ROWID
"""
_INTEND = """
INSERT INTO calls (key, role, model, request_hash, request, started_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET started_at = excluded.started_at WHERE response IS NULL
"""
_SETTLE = "UPDATE calls SET response = ?, usage = ?, cost_usd = ?, latency_s = ?, finished_at = ? WHERE key = ?"
_LOOKUP = "SELECT response, usage, cost_usd, latency_s FROM calls WHERE key = ? AND response IS NOT NULL"

_Write = tuple[str, tuple[Any, ...], "Future[None]"]


class Ledger:
    """The calls of a run by key. Safe to share between threads and between the event loops of one process.

    A row whose `response` is NULL is a call that was started and of which no reply was kept: it was in flight when
    the process ended, or it failed. Failures are never stored, so the same request is tried again.

    Args:
        path: the file; made where there is none, with its folder.

    Raises:
        InputError: the path cannot be opened, or holds something that is not a ledger.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._reader = self._open()
        self._reader_lock = threading.Lock()
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._turns: dict[str, Future[None]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._writer = threading.Thread(target=self._write_batches, name="ledger writer", daemon=True)
        self._writer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def key(role: str, model: str, identity: str, request: ChatRequest) -> str:
        """SHA-256 over everything that decides a reply: two calls share a key only if they are the same sample."""
        return _digest([role, model, identity, _body(request), request.sample_index, request.prompt_version])

    def lookup(self, key: str) -> Completion | None:
        """The reply that was paid for under `key`, as it was then; None where there is none."""
        with self._reading() as reader:
            row = reader.execute(_LOOKUP, (key,)).fetchone()
        if row is None:
            return None
        response, usage, cost_usd, latency_s = row
        return Completion(
            **json.loads(response), usage=Usage(**json.loads(usage)), cost_usd=cost_usd, latency_s=latency_s
        )

    async def intend(self, key: str, role: str, model: str, request: ChatRequest) -> None:
        """Says that a call is about to be sent; returns when that is on disk."""
        body = _body(request)
        await self._write(_INTEND, (key, role, model, _digest(body), _canonical(body), time.time()))

    async def settle(self, key: str, completion: Completion) -> None:
        """Keeps the reply of an intended call; returns when it is on disk."""
        response = completion.model_dump(
            include={"text", "finish_reason", "token_logprobs", "tokens"}, exclude_none=True
        )
        usage = _canonical(completion.usage.model_dump())
        values = (_canonical(response), usage, completion.cost_usd, completion.latency_s, time.time(), key)
        await self._write(_SETTLE, values)

    def begin(self, key: str) -> "Future[None] | None":
        """Takes the turn to make the call `key`: None if it is the caller's, else what ends when the other's does.

        Whoever gets None calls `end(key)` afterwards, whatever happened.
        """
        with self._lock:
            if key in self._turns:
                return self._turns[key]
            self._turns[key] = _uncancellable()
            return None

    def end(self, key: str) -> None:
        """Gives the turn back."""
        with self._lock:
            turn = self._turns.pop(key)
        turn.set_result(None)

    def spend_usd(self, role: str | None = None) -> float:
        """USD of all replies, or of one role's; replies of unknown price count nothing."""
        query = "SELECT TOTAL(cost_usd) FROM calls WHERE ?1 IS NULL OR role = ?1"
        with self._reading() as reader:
            return float(reader.execute(query, (role,)).fetchone()[0])

    def is_spend_known(self, role: str) -> bool:
        """Whether every reply of a role has a price, so that `spend_usd` is all that was spent."""
        query = "SELECT COUNT(*) FROM calls WHERE response IS NOT NULL AND cost_usd IS NULL AND role = ?"
        with self._reading() as reader:
            return not reader.execute(query, (role,)).fetchone()[0]

    def counts(self) -> dict[str, int]:
        """Number of replies by role."""
        query = "SELECT role, COUNT(*) FROM calls WHERE response IS NOT NULL GROUP BY role ORDER BY role"
        with self._reading() as reader:
            return dict(reader.execute(query).fetchall())

    def num_open(self) -> int:
        """Number of calls that were started and of which no reply was kept."""
        with self._reading() as reader:
            return int(reader.execute("SELECT COUNT(*) FROM calls WHERE response IS NULL").fetchone()[0])

    def close(self) -> None:
        """Writes what is waiting and closes the file. Closing twice does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._writes.put(None)
        self._writer.join()
        with self._reader_lock:
            self._reader.close()

    def _open(self) -> sqlite3.Connection:
        connection = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=30, check_same_thread=False, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            # A reply that was paid for must outlive a power cut too; batches make the syncs cheap.
            connection.execute("PRAGMA synchronous = FULL")
            self._check_version(connection)
            return connection
        except (sqlite3.Error, OSError) as error:
            if connection is not None:
                connection.close()
            raise InputError(
                f"The ledger {str(self.path)!r} cannot be opened ({error}). Give the run another folder, or, if the "
                "file is not a ledger of this package, move it away; a ledger holds the replies that were paid for."
            ) from error

    def _check_version(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == _VERSION:
            return
        tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        if version or tables:
            what = f"of version {version}, this package reads {_VERSION}" if version else "without a version number"
            raise sqlite3.DatabaseError(f"it is an SQLite file {what}")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._reader_lock:
            if self._closed:
                raise CowestError(f"The ledger {str(self.path)!r} is closed.")
            yield self._reader

    async def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        done = _uncancellable()
        with self._lock:
            if self._closed:
                raise CowestError(f"The ledger {str(self.path)!r} is closed.")
            self._writes.put((statement, values, done))
        await asyncio.wrap_future(done)

    def _write_batches(self) -> None:
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        connection.execute("PRAGMA synchronous = FULL")
        try:
            while (batch := self._next_batch()) is not None:
                self._commit(connection, batch)
        finally:
            connection.close()

    def _next_batch(self) -> list[_Write] | None:
        # While one batch is being synced the next gathers by itself, so nobody waits for a batch to fill.
        first = self._writes.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < _BATCH_ROWS:
            try:
                write = self._writes.get_nowait()
            except queue.Empty:
                break
            if write is None:
                self._writes.put(None)
                break
            batch.append(write)
        return batch

    def _commit(self, connection: sqlite3.Connection, batch: list[_Write]) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for statement, values, _ in batch:
                connection.execute(statement, values)
            connection.execute("COMMIT")
        except Exception as error:  # of whatever kind: whoever waits for this batch must hear of it
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            failure = CowestError(
                f"The ledger {str(self.path)!r} cannot be written ({error}). Check the disk's free space and that "
                "the folder may be written, then run the same command again: replies already kept stay paid."
            )
            for _, _, done in batch:
                done.set_exception(failure)
            return
        for _, _, done in batch:
            done.set_result(None)


def _uncancellable() -> "Future[None]":
    """A future that a cancelled waiter cannot cancel for the others."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future


def _body(request: ChatRequest) -> dict[str, Any]:
    return request.model_dump(mode="json", include={"messages", "sampling"})


def _canonical(value: Any) -> str:
    # ASCII, because a model's text can hold lone surrogates, which SQLite and SHA-256 would refuse.
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def _digest(value: Any) -> str:
    return hashlib.sha256(_canonical(value).encode()).hexdigest()
