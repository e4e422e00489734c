"""The one thread that writes to a ledger: many waiting writes in one transaction, since each needs a sync."""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from cowest.errors import CowestError
from cowest.ledger.opening import damaged, is_damage

Result = TypeVar("Result")

_BATCH_ROWS = 256
_BUSY_ROWS = 4
_GATHERING_S = 0.01
"""Between two batches of a busy ledger: a write of four costs three times the processor time of one of sixteen."""

_Waiter = asyncio.Future[Any] | Future[Any]
_Write = tuple[Callable[[sqlite3.Connection], Any], _Waiter]


class BatchWriter:
    """Writes in the order of arrival; safe to share between threads and event loops.

    Args:
        connection: to write through; closed at the end.
        path: of the file, for errors.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._write_batches, name="ledger writer", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Does `work` in a transaction; returns when that is on disk.

        Raises:
            CowestError: the file cannot be written, or the writer is closed.
        """
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._put(work, done)
        return await done

    def write_now(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """As `write`, for code outside an event loop."""
        return self._submit(work).result()

    def _submit(self, work: Callable[[sqlite3.Connection], Result]) -> "Future[Result]":
        done: Future[Result] = uncancellable()
        self._put(work, done)
        return done

    def _put(self, work: Callable[[sqlite3.Connection], Result], done: _Waiter) -> None:
        with self._lock:
            if self._closed:
                raise CowestError(f"The ledger {str(self._path)!r} is closed.")
            self._writes.put((work, done))

    def close(self) -> None:
        """Writes what is waiting and ends the thread. Closing twice does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._writes.put(None)
        self._thread.join()

    def _write_batches(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._commit(batch)
                if _BUSY_ROWS <= len(batch) < _BATCH_ROWS:
                    time.sleep(_GATHERING_S)
        finally:
            self._connection.close()

    def _next_batch(self) -> list[_Write] | None:
        # While one batch is synced the next one gathers, so a ledger that is not busy need not wait for one to fill.
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

    def _commit(self, batch: list[_Write]) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [work(connection) for work, _ in batch]
            connection.execute("COMMIT")
        except Exception as error:  # of any kind: it ends the writes that wait
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            said = damaged(self._path, error) if is_damage(error) else _cannot_write(self._path, error)
            _tell([done for _, done in batch], CowestError(said))
            return
        _tell([done for _, done in batch], results)


def _tell(waiters: Sequence[_Waiter], outcome: Sequence[Any] | CowestError) -> None:
    """Gives each its result, or all of them the failure: those of one event loop together, which wakes it once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    results = [None] * len(waiters) if isinstance(outcome, CowestError) else outcome
    failure = outcome if isinstance(outcome, CowestError) else None
    for waiter, result in zip(waiters, results, strict=True):
        if isinstance(waiter, asyncio.Future):
            by_loop.setdefault(waiter.get_loop(), []).append((waiter, result))
        elif failure is not None:
            waiter.set_exception(failure)
        else:
            waiter.set_result(result)
    for loop, told in by_loop.items():
        with contextlib.suppress(RuntimeError):  # it is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, told, failure)


def _settle(told: Sequence[tuple[asyncio.Future[Any], Any]], failure: CowestError | None) -> None:
    for waiter, result in told:
        if waiter.done():  # cancelled; what it waited for is on disk all the same
            continue
        if failure is not None:
            waiter.set_exception(failure)
        else:
            waiter.set_result(result)


def _cannot_write(path: Path, error: Exception) -> str:
    return (
        f"The ledger {str(path)!r} cannot be written ({error}). Check the disk's free space and that the folder may be "
        "written, then run the same command again: replies already kept stay paid."
    )


def uncancellable() -> "Future[Any]":
    """A future that one cancelled waiter cannot cancel for the others."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future
