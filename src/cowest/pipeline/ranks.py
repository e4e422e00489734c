"""A training in this process, or in ranks on the recipe's cluster."""

import functools
from pathlib import Path
from typing import Protocol

from cowest import distributed
from cowest.pipeline.context import RunContext
from cowest.training.checkpoints import Checkpoints
from cowest.training.progress import Progress
from cowest.training.progress_file import ProgressFile


class Training(Protocol):
    """A stage with all that it needs but the progress; it can be pickled."""

    def __call__(self, *, progress: Progress) -> object:
        """Trains, and reports each step."""
        ...


def train(
    context: RunContext, stage: str, training: Training, *, accumulation: int, out: Path, shown: Progress
) -> None:
    """Trains where the recipe says.

    Args:
        stage: its name, for messages.
        accumulation: forward passes of a step.
        out: the stage's folder; on a cluster every node sees it.
        shown: the progress that the user sees.

    Raises:
        InputError: the cluster or the stage's settings cannot be used.
        EndpointError: the cluster lost rank after rank.
        TrainingError, InterruptedRun: as the stage's own.
    """
    if context.cluster is None or distributed.num_processes() > 1:
        training(progress=shown)
        return
    file = ProgressFile(out / "progress.jsonl")
    file.clear()
    try:
        context.cluster.gang.train(
            stage,
            functools.partial(training, progress=file.write),
            accumulation,
            reached=functools.partial(_last_checkpoint, out),
            tell=lambda: file.follow(shown),
        )
    finally:
        file.clear()


def _last_checkpoint(out: Path) -> int:
    last = Checkpoints(out, fingerprint="", num_processes=0).last()
    return last.step if last else 0
