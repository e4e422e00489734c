"""How a bar looks at one moment, and where it is shown: on a terminal, as lines, or nowhere."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TextIO

SECONDS_BETWEEN_LINES = 30.0
SECONDS_BETWEEN_REDRAWS = 0.25


@dataclass(frozen=True)
class Snapshot:
    """What a bar says at one moment.

    Attributes:
        total: how many items there are; None where that is not known.
        elapsed_s: seconds since the start.
        rate: items a second; None before the first.
        left_s: seconds that the rest will take at this rate; None where that cannot be known.
        fields: named numbers; the ending of a name decides its form: `_usd` money, `_s` seconds.
        notices: shown in brackets behind the fields.
    """

    description: str
    done: int
    total: int | None
    elapsed_s: float
    rate: float | None
    left_s: float | None
    fields: Mapping[str, float]
    notices: Sequence[str]

    @property
    def rate_text(self) -> str:
        """The rate, such as "12.3/s"; empty where it is not known."""
        return "" if self.rate is None else _rate(self.rate)

    @property
    def left_text(self) -> str:
        """The remaining time, such as "left 0:23"; empty where it is not known."""
        return "" if self.left_s is None else f"left {_duration(self.left_s)}"

    @property
    def details(self) -> str:
        """Fields and notices: "positives 45 pairs 30 $0.12 (waiting on the limit)"."""
        notices = [f"({text})" for text in self.notices]
        return " ".join([*(_field(name, value) for name, value in self.fields.items()), *notices])

    @property
    def line(self) -> str:
        """All of it in one line: "feedback 120/400 (30%) 12.3/s positives 45 pairs 30 $0.12 left 0:23"."""
        count = str(self.done)
        if self.total is not None:
            count += f"/{self.total}" + (f" ({100 * self.done // self.total}%)" if self.total else "")
        finished = self.total is not None and self.done >= self.total
        begun = self.elapsed_s >= 1 and self.rate is None
        passed = f"{'in' if finished else 'after'} {_duration(self.elapsed_s)}"
        end = passed if finished or begun else self.left_text
        return " ".join(part for part in (self.description, count, self.rate_text, self.details, end) if part)


class Display(Protocol):
    """Where a bar is shown."""

    def start(self, snapshot: Snapshot) -> None:
        """Begins to show it."""

    def refresh(self, snapshot: Snapshot, now: float) -> None:
        """Shows it again, at the time `now` of the bar's clock, in seconds."""

    def stop(self, snapshot: Snapshot, failed: bool) -> None:
        """Shows it for the last time."""

    def say(self, line: str) -> None:
        """Shows a line beside it, at once."""


class NoDisplay:
    """Shows nothing."""

    def start(self, snapshot: Snapshot) -> None:
        """Nothing."""

    def refresh(self, snapshot: Snapshot, now: float) -> None:
        """Nothing."""

    def stop(self, snapshot: Snapshot, failed: bool) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""


class LineDisplay:
    """A line every 30 seconds at most, and one at the end.

    Args:
        now: time at the start, of the bar's clock in seconds.
    """

    def __init__(self, stream: TextIO, now: float) -> None:
        self._stream = stream
        self._last = now

    def start(self, snapshot: Snapshot) -> None:
        """Nothing: a stage that ends soon gets one line."""

    def refresh(self, snapshot: Snapshot, now: float) -> None:
        """Prints a line if the last one is 30 seconds old."""
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self._print(snapshot.line)

    def stop(self, snapshot: Snapshot, failed: bool) -> None:
        """Prints the last line."""
        self._print(snapshot.line + (" (stopped)" if failed else ""))

    def say(self, line: str) -> None:
        """Prints the line."""
        self._print(line)

    def _print(self, line: str) -> None:
        self._write(f"{line}\n")

    def _write(self, text: str) -> None:
        # A failure to show progress must not end the work: the reader at the other end of a pipe may have left.
        with contextlib.suppress(OSError, ValueError):
            print(text, end="", file=self._stream, flush=True)


class NotebookDisplay(LineDisplay):
    """A line that a notebook's output shows in place of the one before, four times a second at most.

    A notebook goes back to the start of the line at a carriage return, and keeps what is not written over.
    """

    def __init__(self, stream: TextIO, now: float) -> None:
        super().__init__(stream, now)
        self._width = 0

    def start(self, snapshot: Snapshot) -> None:
        """Writes the first line."""
        self._replace(snapshot.line)

    def refresh(self, snapshot: Snapshot, now: float) -> None:
        """Writes the line over the last one."""
        if now - self._last >= SECONDS_BETWEEN_REDRAWS:
            self._last = now
            self._replace(snapshot.line)

    def stop(self, snapshot: Snapshot, failed: bool) -> None:
        """Leaves the line as it is now."""
        self._replace("")
        super().stop(snapshot, failed)

    def say(self, line: str) -> None:
        """Prints the line above it."""
        self._replace("")
        super().say(line)

    def _replace(self, line: str) -> None:
        self._write(f"\r{line.ljust(self._width)}" + ("" if line else "\r"))
        self._width = len(line)


def _field(name: str, value: float) -> str:
    if name.endswith("_usd"):
        label = name.removesuffix("_usd")
        money = f"${value:,.2f}" if value >= 0.01 or value == 0 else f"${value:.4f}"
        return money if label in ("spend", "cost") else f"{label} {money}"
    if name.endswith("_s"):
        return f"{name.removesuffix('_s').replace('_', ' ')} {_duration(value)}"
    number = f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    return f"{name.replace('_', ' ')} {number}"


def _rate(rate: float) -> str:
    return f"{rate:,.1f}/s" if rate >= 0.1 else f"{rate * 60:,.1f}/min"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
