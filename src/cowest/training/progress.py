"""How a training reports its steps."""

import contextlib
from collections.abc import Callable, Iterator

from cowest import distributed
from cowest.progress import ProgressBar, progress_bar

Progress = Callable[[int, int, dict[str, float]], None]
"""Takes the steps done, the steps in all, and the metrics of the last one."""

_SHOWN = {"loss": "loss", "rewards/accuracies": "chosen above rejected"}
"""The metrics that a bar shows, each with its name there."""


def on_bar(bar: ProgressBar) -> Progress:
    """Shows steps and the important metrics on `bar`; its rate is that of the steps after the first."""
    begun = False

    def report(done: int, total: int, metrics: dict[str, float]) -> None:
        nonlocal begun
        if not begun:  # until here packages and weights were loaded, and a resumed training has done steps before
            bar.count_from(done)
            begun = True
        bar.update(done, total, **{label: metrics[name] for name, label in _SHOWN.items() if name in metrics})

    return report


@contextlib.contextmanager
def reporting(progress: Progress | None, description: str) -> Iterator[Progress]:
    """The caller's own progress, or else a bar as the other stages have."""
    if progress is not None:
        yield progress
        return
    with progress_bar(description, quiet=not distributed.is_main_process()) as bar:
        yield on_bar(bar)
