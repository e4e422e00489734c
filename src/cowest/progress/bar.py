"""A bar that counts what a stage has done; the stages open one each with `progress_bar`."""

import contextlib
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self, TextIO

from cowest.characters import printable
from cowest.progress.display import Display, LineDisplay, NoDisplay, NotebookDisplay, Snapshot
from cowest.progress.status import shown_fields, shown_notices
from cowest.progress.terminal import TerminalDisplay

_quiet = False
_open_bars: list["ProgressBar"] = []

SECONDS_BETWEEN_BEATS = 1.0
"""How often a bar that is shown as lines looks at the clock while nothing is counted."""
SECONDS_OF_SILENCE = 5.0
"""Between two lines about the same thing."""
_said: dict[str, float] = {}
_say_lock = threading.Lock()


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Shows no progress inside, in any thread.

    Examples:
        >>> import cowest
        >>> with cowest.quietly():
        ...     task = cowest.task("cowest.lab.task:Formulary")
        ...     results = cowest.evaluate(task.test[:5], {"guess": cowest.ScriptedModel(lambda request: "Answer: 24")})
    """
    global _quiet
    before, _quiet = _quiet, True
    try:
        yield
    finally:
        _quiet = before


def refresh() -> None:
    """Shows every open bar as it is now: for long waits in which nothing is counted."""
    for bar in list(_open_bars):
        bar.refresh()


def say(line: str, *, about: str, clock: Callable[[], float] = time.monotonic) -> None:
    """Says what somebody who watches must know now, such as that nothing can be reached; on stderr where no bar is.

    Args:
        line: what is said, without control characters.
        about: whatever is said about the same within `SECONDS_OF_SILENCE` is said once.
        clock: a monotonic clock in seconds, for tests.
    """
    now = clock()
    with _say_lock:
        if _quiet or now - _said.get(about, -math.inf) < SECONDS_OF_SILENCE:
            return
        _said[about] = now
    bars = list(_open_bars)
    display: Display = bars[-1]._display if bars else LineDisplay(sys.stderr, now)
    display.say(f"• {printable(line)}")


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
        done: items that were done before; they do not count towards the rate.
        stream: stderr by default.
        clock: a monotonic clock in seconds, for tests.
        quiet: shows nothing.
    """
    stream = stream or sys.stderr
    display: Display
    if quiet or _quiet:
        display = NoDisplay()
    elif stream.isatty() and os.environ.get("TERM") != "dumb":
        display = TerminalDisplay(stream)
    elif type(stream).__module__.startswith("ipykernel."):  # what Jupyter, VS Code and Colab put in stderr's place
        display = NotebookDisplay(stream, clock())
    else:
        display = LineDisplay(stream, clock())
    return ProgressBar(description, total, done=done, display=display, clock=clock)


class ProgressBar:
    """Counts what is done and shows it. Safe to use from several threads.

    A field is a named number beside the count; the ending of its name decides its form: `_usd` money, `_s` seconds.
    """

    def __init__(
        self, description: str, total: int | None, *, done: int, display: Display, clock: Callable[[], float]
    ) -> None:
        self.description = description
        self.total = total
        self.done = done
        self.fields: dict[str, float] = {}
        self._done_before = done
        self._display = display
        self._clock = clock
        self._started = self._rate_started = clock()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._heart: threading.Thread | None = None

    def advance(self, count: int = 1, **fields: float) -> None:
        """Adds to the count and to the fields."""
        with self._lock:
            self.done += count
            for name, value in fields.items():
                self.fields[name] = self.fields.get(name, 0) + value
            self._display.refresh(self._snapshot(), self._clock())

    def update(self, done: int, total: int | None = None, **fields: float) -> None:
        """Sets the count, the total where one is given, and the fields."""
        with self._lock:
            self.done = done
            self.total = self.total if total is None else total
            self.fields |= fields
            self._display.refresh(self._snapshot(), self._clock())

    def count_from(self, done: int) -> None:
        """Takes so many items as done before, and the rate from now on: for work that is resumed, or slow to begin."""
        with self._lock:
            self._done_before, self._rate_started = done, self._clock()

    def refresh(self) -> None:
        """Shows the bar as it is now; lines still come every 30 seconds at most."""
        with self._lock:
            self._display.refresh(self._snapshot(), self._clock())

    def show(self, **fields: float) -> None:
        """Sets fields and leaves the count."""
        self.update(self.done, None, **fields)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return max(0.0, self._clock() - self._started)

    @property
    def rate(self) -> float | None:
        """Items a second; None before the first."""
        num_new, seconds = self.done - self._done_before, self._clock() - self._rate_started
        return num_new / seconds if num_new > 0 and seconds > 0 else None

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest will take at this rate; None where that cannot be known."""
        if self.total is None or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate

    def details(self) -> str:
        """The fields and notices as text: "positives 45 pairs 30 $0.12 (waiting on the limit)"."""
        return self._snapshot().details

    def line(self) -> str:
        """All of it in one line: "feedback 120/400 (30%) 12.3/s positives 45 pairs 30 $0.12 left 0:23"."""
        return self._snapshot().line

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            description=self.description,
            done=self.done,
            total=self.total,
            elapsed_s=self.elapsed_s,
            rate=self.rate,
            left_s=self.left_s,
            fields=self.fields | shown_fields(),
            notices=shown_notices(),
        )

    def __enter__(self) -> Self:
        self._started = self._rate_started = self._clock()
        self._display.start(self._snapshot())
        _open_bars.append(self)
        if isinstance(self._display, LineDisplay) and self._clock is time.monotonic:
            self._heart = threading.Thread(target=self._beat, name="progress", daemon=True)
            self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _open_bars.remove(self)
        self._ended.set()
        if self._heart is not None:
            self._heart.join()
        with self._lock:
            self._display.stop(self._snapshot(), failed=kind is not None)

    def _beat(self) -> None:
        """Shows lines on time where nothing is counted; a terminal's bar has a thread of its own."""
        while not self._ended.wait(SECONDS_BETWEEN_BEATS):
            self.refresh()
