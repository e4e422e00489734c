"""Progress reports: one line per stage, and the steps of a training."""

from collections.abc import Callable

from cowest.progress import ProgressBar

Say = Callable[[str], None]


def training_progress(bar: ProgressBar) -> Callable[[int, int, dict[str, float]], None]:
    """A callback with steps done, total steps and metrics, which shows the important metrics on `bar`."""
    shown = {"loss": "loss", "rewards/accuracies": "chosen above rejected"}
    return lambda done, total, metrics: bar.update(
        done, total, **{label: metrics[name] for name, label in shown.items() if name in metrics}
    )
