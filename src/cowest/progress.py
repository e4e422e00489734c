"""How far a long stage is: a bar on a terminal, a line every 30 seconds anywhere else, always on stderr."""

import contextlib
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

SECONDS_BETWEEN_LINES = 30.0

_quiet = False
_signs: Counter[str] = Counter()
_signs_lock = threading.Lock()
_bars: list["ProgressBar"] = []


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Shows no progress inside, in whichever thread it is made."""
    global _quiet
    before, _quiet = _quiet, True
    try:
        yield
    finally:
        _quiet = before


@contextlib.contextmanager
def sign(words: str) -> Iterator[None]:
    """Shows `words` behind every bar while at least one of many is inside, such as "waiting on the limit"."""
    with _signs_lock:
        _signs[words] += 1
    try:
        yield
    finally:
        with _signs_lock:
            _signs[words] -= 1


def refresh() -> None:
    """Shows every bar as it is now: for long waits in which nothing is counted."""
    for bar in list(_bars):
        bar.refresh()


def progress_bar(
    description: str,
    total: int | None = None,
    *,
    done: int = 0,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
    quiet: bool = False,
) -> "ProgressBar":
    """Progress of one stage, to be used as a context.

        with progress_bar("feedback", total=400) as bar:
            bar.advance(1, positives=3, pairs=2)
            bar.show(spend_usd=0.12)

    Args:
        description: what is done.
        total: how many items there are; None where that is not known.
        done: items that were done before and do not count towards the rate.
        stream: where to; stderr by default.
        clock: seconds that only grow, for tests.
        quiet: shows nothing.
    """
    stream = stream or sys.stderr
    display: _Display
    if quiet or _quiet:
        display = _Nothing()
    elif stream.isatty() and os.environ.get("TERM") != "dumb":
        display = _Terminal(stream)
    else:
        display = _Lines(stream, clock())
    return ProgressBar(description, total, done=done, display=display, clock=clock)


def show_on_bar(**fields: float) -> None:
    """Sets fields on the bar opened last, for floors below the one that holds it; does nothing where none is open."""
    if _bars:
        _bars[-1].show(**fields)


def hide_on_bar(*names: str) -> None:
    """Takes fields off the bar opened last."""
    if _bars:
        _bars[-1].hide(*names)


class ProgressBar:
    """Counts what is done and shows it. Safe to use from several threads.

    A field is a named number beside the count; the name's ending gives its form: `_usd` money, `_s` seconds.
    """

    def __init__(
        self, description: str, total: int | None, *, done: int, display: "_Display", clock: Callable[[], float]
    ) -> None:
        self.description = description
        self.total = total
        self.done = done
        self.fields: dict[str, float] = {}
        self._done_before = done
        self._display = display
        self._clock = clock
        self._started = clock()
        self._lock = threading.Lock()

    def advance(self, count: int = 1, **fields: float) -> None:
        """Adds to the count and to the fields."""
        with self._lock:
            self.done += count
            for name, value in fields.items():
                self.fields[name] = self.fields.get(name, 0) + value
            self._display.refresh(self, self._clock())

    def update(self, done: int, total: int | None = None, **fields: float) -> None:
        """Sets the count, the total where one is given, and the fields."""
        with self._lock:
            self.done = done
            self.total = self.total if total is None else total
            self.fields |= fields
            self._display.refresh(self, self._clock())

    def refresh(self) -> None:
        """Shows what there is; lines still come no more often than they do."""
        with self._lock:
            self._display.refresh(self, self._clock())

    def show(self, **fields: float) -> None:
        """Sets fields and leaves the count."""
        self.update(self.done, None, **fields)

    def hide(self, *names: str) -> None:
        """Takes fields away."""
        with self._lock:
            self.fields = {name: value for name, value in self.fields.items() if name not in names}
            self._display.refresh(self, self._clock())

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return max(0.0, self._clock() - self._started)

    @property
    def rate(self) -> float | None:
        """Items a second since the start; None before the first."""
        num_new = self.done - self._done_before
        return num_new / self.elapsed_s if num_new > 0 and self.elapsed_s > 0 else None

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest will take at this rate; None where that cannot be known."""
        if self.total is None or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate

    def details(self) -> str:
        """The fields in words, and the signs: "positives 45 pairs 30 $0.12 (waiting on the limit)"."""
        signs = [f"({words})" for words, count in list(_signs.items()) if count > 0]
        return " ".join([*(_field(name, value) for name, value in self.fields.items()), *signs])

    def line(self) -> str:
        """All of it in one line: "feedback 120/400 (30%) 12.3/s positives 45 pairs 30 $0.12 left 0:23"."""
        count = str(self.done)
        if self.total is not None:
            count += f"/{self.total}" + (f" ({100 * self.done // self.total}%)" if self.total else "")
        finished = self.total is not None and self.done >= self.total
        end = f"in {_duration(self.elapsed_s)}" if finished else ""
        if not finished and self.left_s is not None:
            end = f"left {_duration(self.left_s)}"
        parts = (self.description, count, _rate(self.rate), self.details(), end)
        return " ".join(part for part in parts if part)

    def __enter__(self) -> Self:
        self._started = self._clock()
        self._display.start(self)
        _bars.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _bars.remove(self)
        with self._lock:
            self._display.stop(self, failed=kind is not None)


class _Display(Protocol):
    def start(self, bar: ProgressBar) -> None: ...
    def refresh(self, bar: ProgressBar, now: float) -> None: ...
    def stop(self, bar: ProgressBar, failed: bool) -> None: ...


class _Nothing:
    def start(self, bar: ProgressBar) -> None:
        pass

    def refresh(self, bar: ProgressBar, now: float) -> None:
        pass

    def stop(self, bar: ProgressBar, failed: bool) -> None:
        pass


class _Lines:
    """A line every 30 seconds at most, and one at the end."""

    def __init__(self, stream: TextIO, now: float) -> None:
        self._stream = stream
        self._last = now

    def start(self, bar: ProgressBar) -> None:
        pass

    def refresh(self, bar: ProgressBar, now: float) -> None:
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            self._print(bar.line())

    def stop(self, bar: ProgressBar, failed: bool) -> None:
        self._print(bar.line() + (" (stopped)" if failed else ""))

    def _print(self, line: str) -> None:
        # Progress must not end the work it speaks of: the reader of the other end of a pipe may have left.
        with contextlib.suppress(OSError, ValueError):
            print(line, file=self._stream, flush=True)


class _Terminal:
    """A bar that is drawn again and again in the same place."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}", markup=False),
            TextColumn("{task.fields[details]}", markup=False, style="cyan"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False, style="dim"),
            console=Console(file=stream),
        )
        self._task: Any = None

    def start(self, bar: ProgressBar) -> None:
        self._task = self._progress.add_task(bar.description, **self._state(bar))
        self._progress.start()

    def refresh(self, bar: ProgressBar, now: float) -> None:
        if self._task is not None:
            self._progress.update(self._task, **self._state(bar))

    def stop(self, bar: ProgressBar, failed: bool) -> None:
        self.refresh(bar, 0.0)
        self._progress.stop()

    def _state(self, bar: ProgressBar) -> dict[str, Any]:
        count = f"{bar.done}" if bar.total is None else f"{bar.done}/{bar.total}"
        left = "" if bar.left_s is None else f"left {_duration(bar.left_s)}"
        return {
            "total": bar.total,
            "completed": bar.done,
            "count": " ".join(filter(None, (count, _rate(bar.rate)))),
            "details": bar.details(),
            "left": left,
        }


def _field(name: str, value: float) -> str:
    if name.endswith("_usd"):
        label = name.removesuffix("_usd")
        money = f"${value:,.2f}" if value >= 0.01 or value == 0 else f"${value:.4f}"
        return money if label in ("spend", "cost") else f"{label} {money}"
    if name.endswith("_s"):
        return f"{name.removesuffix('_s').replace('_', ' ')} {_duration(value)}"
    number = f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    return f"{name.replace('_', ' ')} {number}"


def _rate(rate: float | None) -> str:
    if rate is None:
        return ""
    return f"{rate:,.1f}/s" if rate >= 0.1 else f"{rate * 60:,.1f}/min"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
