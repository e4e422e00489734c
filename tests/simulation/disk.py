"""The disk of a simulated machine: every write is a step at which the process may be killed, with half of it done."""

import builtins
import contextlib
import io
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from tests.simulation.machine import Machine

_CHANGES = ("replace", "rename", "unlink", "mkdir", "symlink")
_WRITES = ("BEGIN", "COMMIT", "ROLLBACK", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "PRAGMA")


@contextlib.contextmanager
def simulated_disk(machine: Machine) -> Iterator[None]:
    """Makes steps of what is written inside the machine's folder: by files, in SQLite, and in folders."""
    with contextlib.ExitStack() as stack:
        opened = _opening(machine, io.open)
        stack.enter_context(mock.patch.object(io, "open", opened))
        stack.enter_context(mock.patch.object(builtins, "open", opened))
        for name in _CHANGES:
            stack.enter_context(mock.patch.object(os, name, _changing(machine, name, getattr(os, name))))
        stack.enter_context(mock.patch.object(os, "open", _opening_flat(machine, os.open)))
        # Processes are killed, the machine's power is not cut.
        stack.enter_context(mock.patch.object(os, "fsync", _synced(machine)))
        stack.enter_context(mock.patch.object(sqlite3, "connect", _connecting(machine, sqlite3.connect)))
        yield


def _synced(machine: Machine) -> Callable[[Any], None]:
    def synced(file: Any) -> None:
        machine.step("file", "fsync")

    return synced


def _is_inside(machine: Machine, path: Any) -> bool:
    return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(str(machine.root))


def _changing(machine: Machine, name: str, change: Callable[..., Any]) -> Callable[..., Any]:
    def changed(path: Any, *more: Any, **settings: Any) -> Any:
        if _is_inside(machine, path) and not machine.copying:
            machine.step("file", f"{name} {Path(path).name}")
        return change(path, *more, **settings)

    return changed


def _opening(machine: Machine, really_open: Callable[..., Any]) -> Callable[..., Any]:
    def opened(path: Any, mode: str = "r", *more: Any, **settings: Any) -> Any:
        if not set(mode) & set("wax+") or not _is_inside(machine, path) or machine.copying:
            return really_open(path, mode, *more, **settings)
        machine.step("file", f"open {Path(path).name} {mode}")
        return _File(machine, really_open(path, mode, *more, **settings))

    return opened


def _opening_flat(machine: Machine, really_open: Callable[..., int]) -> Callable[..., int]:
    def opened(path: Any, flags: int, *more: Any, **settings: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) and _is_inside(machine, path) and not machine.copying:
            machine.step("file", f"open {Path(path).name}")
        return really_open(path, flags, *more, **settings)

    return opened


class _File:
    """A file that is open for writing."""

    def __init__(self, machine: Machine, file: Any) -> None:
        self._machine = machine
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: Any) -> int:
        if self._machine.is_last("file"):
            self._file.write(data[: self._machine.random.randrange(len(data) + 1)])
            self._file.flush()
        self._machine.step("file", f"write {len(data)}")
        return int(self._file.write(data))


def _connecting(machine: Machine, connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            words = sql.split(maxsplit=3)
            if words[0].upper() in _WRITES:
                machine.step("ledger", " ".join(words[:3]))
            if "synchronous" in sql:
                sql = "PRAGMA synchronous = OFF"
            return super().execute(sql, *values)

    def connected(path: Any, *more: Any, **settings: Any) -> sqlite3.Connection:
        connection = connect(path, *more, factory=Connection, **settings)
        machine.connections.append(connection)
        return connection

    return connected
