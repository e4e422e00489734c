"""Whether another process has a ledger open."""

import fcntl
import os
from pathlib import Path

_OPEN_BYTE = 128


def is_in_use(path: Path) -> bool:
    """Whether another process has a ledger open now, be it a run's own or a shared one; changes nothing.

    This process must not have it open itself, since it would lose SQLite's locks on it.

    Whoever has a file in WAL mode open holds a shared lock on one byte of its `-shm` file, the "deadman switch" of
    SQLite's WAL-index format: https://www.sqlite.org/walformat.html. A process that was killed holds none.
    """
    real = path.resolve()
    try:
        descriptor = os.open(real.with_name(f"{real.name}-shm"), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _OPEN_BYTE)
    except (BlockingIOError, PermissionError):
        return True
    finally:
        os.close(descriptor)
    return False
