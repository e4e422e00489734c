"""Opening a ledger's file: WAL mode, the tables of a new file, the version of one that exists."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

from cowest.errors import CowestError, InputError

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
        real = path.resolve()  # SQLite names its two other files after the one it is given, and gives them its mode
        # Only a new file: to close any descriptor of one that this process has open would drop SQLite's locks on it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(real, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        connection = sqlite3.connect(real, timeout=_BUSY_S, check_same_thread=False, isolation_level=None)
        use_wal(connection)
        # A reply that was paid for must outlive a power cut too; batches make the syncs cheap.
        connection.execute("PRAGMA synchronous = FULL")
        _make_tables(connection)
        return connection
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        if is_damage(error):
            raise InputError(damaged(path, error)) from error
        raise InputError(
            f"The ledger {str(path)!r} cannot be opened ({error}). Give the run another folder, or, if the "
            "file is not a ledger of this package, move it away; a ledger holds the replies that were paid for."
        ) from error


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Opens an existing file and changes nothing: no upgrade, no lock, and no file beside it.

    Raises:
        InputError: the path cannot be opened, or holds something that is not a ledger of this version.
    """
    real = path.resolve()
    log, shared = (real.with_name(f"{real.name}-{name}") for name in ("wal", "shm"))
    connection = None
    try:
        if not real.is_file():
            raise FileNotFoundError("there is no such file")
        if not log.exists():  # nobody is writing, and everything is in the file
            connection = _open_uri(real, "immutable=1")
        elif shared.exists():
            connection = _open_uri(real, "mode=ro&readonly_shm=1")
        else:  # a copied folder: SQLite would make the third file
            with tempfile.TemporaryDirectory(prefix="cowest-ledger-") as scratch:
                copy = Path(scratch) / real.name
                shutil.copy(real, copy)
                shutil.copy(log, copy.with_name(log.name))
                connection = _open_uri(copy, "mode=ro")
                _version(connection)  # opens the log too, before both files go
        if (version := _version(connection)) != _VERSION:
            raise sqlite3.DatabaseError(f"it is an SQLite file of version {version}, this package reads {_VERSION}")
        return connection
    except (sqlite3.Error, OSError) as error:
        if connection is not None:
            connection.close()
        reason = damaged(path, error) if is_damage(error) else f"The ledger {str(path)!r} cannot be read: {error}."
        raise InputError(reason) from error


def _open_uri(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.as_uri()}?{mode}", uri=True, timeout=5, check_same_thread=False, isolation_level=None
    )


def is_damage(error: Exception) -> bool:
    """Whether SQLite says that the file's content is broken."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def damaged(path: Path, what: object) -> str:
    """What is said of a damaged ledger."""
    return (
        f"The ledger {str(path)!r} is damaged: {what}. It holds the replies that were paid for. `cowest ledger recover "
        "RUN`, with the run's folder, makes a new one of all rows that can still be read and keeps the damaged file "
        "beside it; only the calls of the other rows are made again."
    )


def reading_error(path: Path, error: Exception) -> CowestError:
    """What is said of a ledger that was opened and cannot be read now."""
    return CowestError(damaged(path, error) if is_damage(error) else f"The ledger {str(path)!r}: {error}.")


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
