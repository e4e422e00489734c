"""Every paid call once: the SQLite file that lets a run stop at any moment and go on without paying twice.

An intent is on disk before a call is sent and its reply is on disk before the caller sees it, so that at most what
was in flight is ever paid again. One thread writes, in batches; readers never wait for it (WAL mode). Several runs may
share a file, also at the same time: each row names the run that paid for it.
"""

import asyncio
import hashlib
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from cowest.errors import CowestError, InputError
from cowest.types import ChatRequest, Completion, Usage

_VERSION = 2
_BATCH_ROWS = 256
_BUSY_S = 60.0
_SCHEMA = """
CREATE TABLE calls (
    key TEXT NOT NULL, run TEXT NOT NULL, role TEXT NOT NULL, model TEXT NOT NULL, request_hash TEXT NOT NULL,
    request TEXT NOT NULL, response TEXT, usage TEXT, cost_usd REAL, latency_s REAL, started_at REAL NOT NULL,
    finished_at REAL, UNIQUE (key, run)
);
-- What a resumed run sums, whole in the index: a scan of the table would read every text.
CREATE INDEX spend ON calls (run, role, cost_usd, finished_at) WHERE finished_at IS NOT NULL;
"""
_UPGRADE_1 = f"""
ALTER TABLE calls RENAME TO calls_1;
{_SCHEMA}
INSERT INTO calls SELECT key, ?1, role, model, request_hash, request, response, usage, cost_usd, latency_s, started_at,
    finished_at FROM calls_1;
DROP TABLE calls_1;
"""
# Beside the calls, of which each stands once: what a run pays for a reply it never gets, it may pay several times.
# Made where it is missing, so that files of earlier releases need no other version.
_FAILURES = """
CREATE TABLE IF NOT EXISTS billed_failures (
    run TEXT NOT NULL, role TEXT NOT NULL, cost_usd REAL NOT NULL, at REAL NOT NULL
)
"""
_INTEND = """
INSERT INTO calls (key, run, role, model, request_hash, request, started_at) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key, run) DO UPDATE SET started_at = excluded.started_at WHERE response IS NULL
"""
_SETTLE = """
UPDATE calls SET response = ?, usage = ?, cost_usd = ?, latency_s = ?, finished_at = ? WHERE key = ? AND run = ?
"""
_NUM_REPLIES = "SELECT COUNT(*) FROM calls WHERE key = ? AND response IS NOT NULL"
# Where two runs paid for one sample at the same time, the reply that was kept first is the one for both.
_LOOKUP = """
SELECT response, usage, cost_usd, latency_s FROM calls WHERE key = ? AND response IS NOT NULL
ORDER BY finished_at, run LIMIT 1
"""
_NETWORK_FILE_SYSTEMS = (
    *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "gpfs", "beegfs"),
    *("glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.ceph", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse"),
)

_Work = Callable[[sqlite3.Connection], Any]
_Write = tuple[_Work, "Future[Any]"]


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

    Raises:
        InputError: the path cannot be opened, or holds something that is not a ledger.
    """

    def __init__(self, path: str | Path, run: str = "") -> None:
        self.path = Path(path)
        self.run = run
        self._reader = self._open()
        self._writing = self._open()
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
        """SHA-256 over everything that decides a reply: two calls share a key only if they are the same sample.

        Where weights lie decides nothing, and their hash is in `identity`: a run that was moved, or another one over
        the same ledger that trains the same model, finds its drafts.
        """
        name = "local" if model.startswith("local/") else model
        return _digest([role, name, identity, _body(request), request.sample_index, request.prompt_version])

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
        values = (key, self.run, role, model, _digest(body), _canonical(body), time.time())
        await self._write(lambda connection: connection.execute(_INTEND, values))

    async def withdraw(self, key: str) -> None:
        """Takes back the intent of a call that was not sent after all; returns when that is on disk."""
        withdraw = "DELETE FROM calls WHERE key = ? AND run = ? AND response IS NULL"
        await self._write(lambda connection: connection.execute(withdraw, (key, self.run)))

    async def settle(self, key: str, completion: Completion) -> Completion:
        """Keeps the reply of an intended call; returns when it is on disk.

        Returns:
            The reply to go on with: this one, or that of another run which was kept before it.
        """
        kept = {"text", "finish_reason", "token_logprobs", "tokens"}
        response = completion.model_dump(include=kept, exclude_none=True)
        usage = _canonical(completion.usage.model_dump())
        values = (_canonical(response), usage, completion.cost_usd, completion.latency_s)

        def keep(connection: sqlite3.Connection) -> int:
            # The time is taken inside the transaction: what is committed first must also be the earlier by its time.
            connection.execute(_SETTLE, (*values, time.time(), key, self.run))
            return int(connection.execute(_NUM_REPLIES, (key,)).fetchone()[0])

        num_replies = await self._write(keep)
        return completion if num_replies == 1 else (self.lookup(key) or completion)

    async def lose(self, role: str, cost_usd: float) -> None:
        """Keeps what a call that failed may have cost; returns when it is on disk."""
        values = (self.run, role, cost_usd, time.time())
        await self._write(
            lambda connection: connection.execute("INSERT INTO billed_failures VALUES (?, ?, ?, ?)", values)
        )

    def lost_usd(self, role: str) -> float:
        """The most that failed calls of this run may have cost in one role, beside what `spend_usd` knows."""
        query = "SELECT TOTAL(cost_usd) FROM billed_failures WHERE run = ? AND role = ?"
        with self._reading() as reader:
            return float(reader.execute(query, (self.run, role)).fetchone()[0])

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

    def open_requests(self, role: str) -> list[ChatRequest]:
        """The calls behind `num_open` of one role: in flight when a process ended, or failed."""
        query = "SELECT request FROM calls WHERE response IS NULL AND run = ? AND role = ?"
        with self._reading() as reader:
            rows = reader.execute(query, (self.run, role)).fetchall()
        return [ChatRequest.model_validate_json(body) for (body,) in rows]

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
            # The real path, since SQLite names its two other files after the one it is given.
            connection = sqlite3.connect(
                self.path.resolve(), timeout=_BUSY_S, check_same_thread=False, isolation_level=None
            )
            _use_wal(connection)
            # A reply that was paid for must outlive a power cut too; batches make the syncs cheap.
            connection.execute("PRAGMA synchronous = FULL")
            self._check_version(connection)
            connection.execute(_FAILURES)
            return connection
        except (sqlite3.Error, OSError) as error:
            if connection is not None:
                connection.close()
            raise InputError(
                f"The ledger {str(self.path)!r} cannot be opened ({error}). Give the run another folder, or, if the "
                "file is not a ledger of this package, move it away; a ledger holds the replies that were paid for."
            ) from error

    def _check_version(self, connection: sqlite3.Connection) -> None:
        if _version(connection) == _VERSION:
            return
        connection.execute("BEGIN IMMEDIATE")
        version = _version(connection)  # again: another process may have made or upgraded it meanwhile
        if version == _VERSION:
            connection.execute("COMMIT")
            return
        tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        if version not in (0, 1) or (version == 0 and tables):
            what = f"of version {version}, this package reads {_VERSION}" if version else "without a version number"
            raise sqlite3.DatabaseError(f"it is an SQLite file {what}")
        # Not executescript, which would commit in between.
        for statement in (_UPGRADE_1 if version else _SCHEMA).split(";")[:-1]:
            connection.execute(statement, (self.run,) if "?1" in statement else ())
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._reader_lock:
            if self._closed:
                raise CowestError(f"The ledger {str(self.path)!r} is closed.")
            yield self._reader

    async def _write(self, work: _Work) -> Any:
        done = _uncancellable()
        with self._lock:
            if self._closed:
                raise CowestError(f"The ledger {str(self.path)!r} is closed.")
            self._writes.put((work, done))
        return await asyncio.wrap_future(done)

    def _write_batches(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._commit(batch)
        finally:
            self._writing.close()

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

    def _commit(self, batch: list[_Write]) -> None:
        connection = self._writing
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [work(connection) for work, _ in batch]
            connection.execute("COMMIT")
        except Exception as error:  # of whatever kind: whoever waits for this batch must hear of it
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            failure = CowestError(
                f"The ledger {str(self.path)!r} cannot be written ({error}). Check the disk's free space and that "
                "the folder may be written, then run the same command again: replies already kept stay paid."
            )
            for _, done in batch:
                done.set_exception(failure)
            return
        for result, (_, done) in zip(results, batch, strict=True):
            done.set_result(result)


def network_file_system(path: str | Path, mounts: str | Path = "/proc/mounts") -> str | None:
    """The type of the network file system that `path` lies on; None where it is a local one or nobody says (not Linux).

    WAL mode needs memory and locks that all processes share, which network file systems do not promise.
    """
    try:
        lines = Path(mounts).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real = Path(path).expanduser().resolve()
    points: dict[Path, str] = {}
    for line in lines:
        _, point, kind, *_ = line.split()
        points[Path(point.replace("\\040", " "))] = kind  # a later mount hides an earlier one in the same place
    kind = next((points[folder] for folder in (real, *real.parents) if folder in points), "")
    return kind if kind in _NETWORK_FILE_SYSTEMS else None


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switches to WAL mode; SQLite does not itself wait where another process does the same to a new file."""
    deadline = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _uncancellable() -> "Future[Any]":
    """A future that a cancelled waiter cannot cancel for the others."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future


def _body(request: ChatRequest) -> dict[str, Any]:
    return request.model_dump(mode="json", include={"messages", "sampling"})


def _canonical(value: Any) -> str:
    # ASCII, because a model's text can hold lone surrogates, which SQLite and SHA-256 would refuse.
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def _digest(value: Any) -> str:
    return hashlib.sha256(_canonical(value).encode()).hexdigest()
