"""Progress reports: one line per stage, and the steps of a training."""

from collections.abc import Callable

from cowest.progress import ProgressBar
from cowest.trackers import Log

Say = Callable[[str], None]


def training_progress(bar: ProgressBar, log: Log) -> Callable[[int, int, dict[str, float]], None]:
    """A callback with steps done, total steps and metrics: shows the important ones on `bar` and sends all to `log`."""
    shown = {"loss": "loss", "rewards/accuracies": "chosen above rejected"}

    def progress(done: int, total: int, metrics: dict[str, float]) -> None:
        bar.update(done, total, **{label: metrics[name] for name, label in shown.items() if name in metrics})
        log({name: value for name, value in metrics.items() if name != "step"}, done)

    return progress
