"""The machine that a simulated process runs on: its clock, its steps, and the step at which it is killed."""

import asyncio
import contextlib
import shutil
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from random import Random


class Killed(SystemExit):
    """The process is gone. A SystemExit, since asyncio passes those on from inside a task."""


class Hang(SystemExit):
    """Nothing will ever happen again, or virtual time has run out."""


@dataclass(frozen=True)
class Kill:
    """When a process is killed: at its nth wake-up, statement of its ledger, or step with its files.

    An "interrupt" at the nth wake-up cancels what runs, as Ctrl-C does.
    """

    kind: str
    number: int


@dataclass
class Machine:
    """Virtual time and steps of one process after the other, each in a folder that the last one left.

    Attributes:
        random: decides the order of wake-ups and the delays of the disk; seeded.
        root: of the folders.
        deadline_s: virtual seconds that one process may take.
        trace: what happened, with virtual times.
    """

    random: Random
    root: Path
    in_order: bool = False
    deadline_s: float = 7200.0
    trace: list[str] = field(default_factory=list)
    num_lives: int = 0
    num_processes: int = 0
    ends_at: float = 0.0
    at: float = 1000.0
    wall_offset_s: float = 1.75e9
    dead: bool = False
    copying: bool = False
    kill: Kill | None = None
    steps: dict[str, int] = field(default_factory=dict)
    loop: asyncio.AbstractEventLoop | None = None
    connections: list[sqlite3.Connection] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """The folder of the process that runs now."""
        return self.root / f"life-{self.num_lives}"

    def boot(self, kill: Kill | None = None, down_s: float = 0.0) -> None:
        """Starts a process, after `down_s` without one."""
        self.num_processes += 1
        self.at = self.now() + down_s
        self.dead, self.kill, self.steps, self.loop = False, kill, {"wake": 0, "ledger": 0, "file": 0}, None
        self.ends_at = self.at + self.deadline_s
        self.note(f"--- process {self.num_processes} starts, kill {kill}")

    def now(self) -> float:
        """Virtual seconds, monotonic."""
        if self.loop is not None and not self.loop.is_closed():
            self.at = self.loop.time()
        return self.at

    def wall_time(self) -> float:
        """Seconds since 1970, as far as the machine knows."""
        return self.now() + self.wall_offset_s

    def note(self, what: str) -> None:
        """Adds a line to the trace."""
        self.trace.append(f"{self.now():12.6f} {what}")

    def is_interrupted(self) -> bool:
        """Whether this is the moment at which the user presses Ctrl-C, which lets the process end by itself."""
        if self.kill is None or self.kill.kind != "interrupt" or self.kill.number != self.steps["wake"]:
            return False
        self.note(f"interrupted at wake {self.steps['wake']}")
        return True

    def is_last(self, kind: str) -> bool:
        """Whether the next step of this kind is the one at which the process is killed."""
        return self.kill is not None and self.kill == Kill(kind, self.steps[kind] + 1)

    def step(self, kind: str, what: str = "") -> None:
        """One step of the process.

        Raises:
            Killed: it is the chosen one, or the process is dead already.
        """
        if self.dead:
            raise Killed(1)
        self.steps[kind] += 1
        if what:
            self.note(what)
        if self.kill is not None and self.kill.kind == kind and self.kill.number == self.steps[kind]:
            self.die(f"killed before {kind} {self.steps[kind]} {what}")
            raise Killed(1)

    def die(self, why: str) -> None:
        """Ends the process: what is on the disk now is all that the next one finds."""
        self.note(why)
        self.dead = True
        following = self.root / f"life-{self.num_lives + 1}"
        self.copying = True
        # The index of the write-ahead log is memory that the processes share.
        shutil.copytree(self.folder, following, symlinks=True, ignore=shutil.ignore_patterns("*-shm"))
        self.copying = False

    def bury(self) -> None:
        """Releases what a process held."""
        for connection in self.connections:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        self.connections.clear()
        if self.dead:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.num_lives += 1
