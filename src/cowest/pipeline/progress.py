"""Progress reports: one line per stage, and the steps of a training."""

from collections.abc import Callable

from cowest.progress import ProgressBar
from cowest.trackers import Log
from cowest.training.progress import Progress, on_bar

Say = Callable[[str], None]


def training_progress(bar: ProgressBar, log: Log) -> Progress:
    """A callback with steps done, total steps and metrics: shows the important ones on `bar` and sends all to `log`."""
    show = on_bar(bar)

    def progress(done: int, total: int, metrics: dict[str, float]) -> None:
        show(done, total, metrics)
        log({name: value for name, value in metrics.items() if name != "step"}, done)

    return progress
