"""A bar that is redrawn in place on a terminal: the numbers first, the bar itself in what they leave."""

from typing import TYPE_CHECKING, TextIO, TypedDict

from cowest.progress.display import Snapshot

if TYPE_CHECKING:
    from rich.progress import TaskID

BAR_WIDTH = 24


class TerminalDisplay:
    """A bar that is redrawn in place."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, Task, TextColumn, TimeElapsedColumn
        from rich.text import Text

        class Elapsed(TimeElapsedColumn):
            """The time since the start, which ticks by itself; beside the time left only where there is room."""

            def render(self, task: Task) -> Text:
                return Text() if task.fields["left"] and bar.bar_width == 1 else super().render(task)

        self._bar = bar = BarColumn(bar_width=BAR_WIDTH)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            bar,
            TextColumn("{task.fields[count]}", markup=False),
            TextColumn("{task.fields[details]}", markup=False, style="cyan"),
            Elapsed(),
            TextColumn("{task.fields[left]}", markup=False, style="dim"),
            console=Console(file=stream),
        )
        self._task: TaskID | None = None

    def start(self, snapshot: Snapshot) -> None:
        """Draws the bar."""
        self._task = self._progress.add_task(
            snapshot.description, total=snapshot.total, completed=snapshot.done, **_columns(snapshot)
        )
        self._progress.start()

    def refresh(self, snapshot: Snapshot, now: float) -> None:
        """Updates the bar, which is redrawn a few times a second."""
        if self._task is not None:
            self._bar.bar_width = bar_width(snapshot, self._progress.console.width)
            self._progress.update(self._task, total=snapshot.total, completed=snapshot.done, **_columns(snapshot))

    def stop(self, snapshot: Snapshot, failed: bool) -> None:
        """Leaves the bar as it is now."""
        self.refresh(snapshot, 0.0)
        self._progress.stop()

    def say(self, line: str) -> None:
        """Prints the line above the bar."""
        self._progress.console.print(line, markup=False, highlight=False)


def bar_width(snapshot: Snapshot, width: int) -> int:
    """What the numbers leave of a terminal's width for the bar itself: they come first."""
    columns = _columns(snapshot)
    texts = (snapshot.description, columns["count"], columns["details"], columns["left"])
    gaps = 6
    return max(1, min(BAR_WIDTH, width - sum(map(len, texts)) - gaps - len("0:00:00")))


class _Columns(TypedDict):
    count: str
    details: str
    left: str


def _columns(snapshot: Snapshot) -> _Columns:
    count = f"{snapshot.done}" if snapshot.total is None else f"{snapshot.done}/{snapshot.total}"
    return {
        "count": " ".join(filter(None, (count, snapshot.rate_text))),
        "details": snapshot.details,
        "left": "" if snapshot.done == snapshot.total else snapshot.left_text,
    }
