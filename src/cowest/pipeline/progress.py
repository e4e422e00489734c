"""What the stages say while they work: one line each, and a training's progress."""

from collections.abc import Callable

from cowest.progress import ProgressBar

Say = Callable[[str], None]


def training_progress(bar: ProgressBar) -> Callable[[int, int, dict[str, float]], None]:
    """Takes steps done, steps in all and metrics, and shows on `bar` those that a reader wants."""
    shown = {"loss": "loss", "rewards/accuracies": "chosen above rejected"}
    return lambda done, total, metrics: bar.update(
        done, total, **{label: metrics[name] for name, label in shown.items() if name in metrics}
    )
