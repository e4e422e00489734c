"""Opening a ledger's file: WAL mode, the tables of a new file, the version of one that exists."""

import sqlite3
import time
from pathlib import Path

from cowest.errors import InputError

_VERSION = 2
_BUSY_S = 60.0
_SCHEMA = """
CREATE TABLE calls (
    key TEXT NOT NULL, run TEXT NOT NULL, role TEXT NOT NULL, model TEXT NOT NULL, request_hash TEXT NOT NULL,
    request TEXT NOT NULL, response TEXT, usage TEXT, cost_usd REAL, latency_s REAL, started_at REAL NOT NULL,
    finished_at REAL, UNIQUE (key, run)
);
-- What a resumed run sums, whole in the index: a scan of the table would read every text.
CREATE INDEX spend ON calls (run, role, cost_usd, finished_at) WHERE finished_at IS NOT NULL;
-- Apart from the calls, each of which is kept once: a run may pay several times for a reply that it never gets.
CREATE TABLE billed_failures (run TEXT NOT NULL, role TEXT NOT NULL, cost_usd REAL NOT NULL, at REAL NOT NULL);
"""


def connect(path: Path) -> sqlite3.Connection:
    """Opens the file, and makes it, with its folder, where there is none.

    Raises:
        InputError: the path cannot be opened, or holds something that is not a ledger of this version.
    """
    connection = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The real path, since SQLite names its two other files after the one it is given.
        connection = sqlite3.connect(path.resolve(), timeout=_BUSY_S, check_same_thread=False, isolation_level=None)
        use_wal(connection)
        # A reply that was paid for must outlive a power cut too; batches make the syncs cheap.
        connection.execute("PRAGMA synchronous = FULL")
        _make_tables(connection)
        return connection
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        raise InputError(
            f"The ledger {str(path)!r} cannot be opened ({error}). Give the run another folder, or, if the "
            "file is not a ledger of this package, move it away; a ledger holds the replies that were paid for."
        ) from error


def use_wal(connection: sqlite3.Connection) -> None:
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


def _make_tables(connection: sqlite3.Connection) -> None:
    if _version(connection) == _VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    version = _version(connection)  # again: another process may have made the tables meanwhile
    if version == _VERSION:
        connection.execute("COMMIT")
        return
    if version:
        raise sqlite3.DatabaseError(f"it is an SQLite file of version {version}, this package reads {_VERSION}")
    if connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
        raise sqlite3.DatabaseError("it is an SQLite file without a version number")
    # Not executescript, which would commit in between.
    for statement in _SCHEMA.split(";")[:-1]:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
