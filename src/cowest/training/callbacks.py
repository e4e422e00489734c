"""What is done at each training step: metrics.jsonl, progress, checkpoint marks, a stop on Ctrl-C."""

import contextlib
import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from cowest import runs
from cowest.errors import TrainingError
from cowest.training.checkpoints import Checkpoints
from cowest.training.progress import Progress

_CUMULATIVE = ("num_tokens", "total_flos")


def steps_of(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """The rows of metrics.jsonl: what was logged at each step, in order, without what had no value at that step."""
    rows = (row for row in history if "loss" in row)
    # Sorted, because a checkpoint stores the history with sorted keys.
    return [
        {"step": row["step"]}
        | {key: row[key] for key in sorted(row) if key not in ("step", *_CUMULATIVE) and row[key] is not None}
        for row in rows
    ]


class StepRecorder(TrainerCallback):
    """Records every step and reports it.

    Args:
        metrics: the file metrics.jsonl; rewritten from the checkpoint's history when training is resumed.
        checkpoints: each complete checkpoint is marked there.
        seconds_before: seconds of training before this process.
        progress: called after each step, in the main process.
    """

    def __init__(
        self, metrics: Path, checkpoints: Checkpoints, seconds_before: float, progress: Progress | None
    ) -> None:
        self.interrupted = False
        self._metrics = metrics
        self._checkpoints = checkpoints
        self._started = time.monotonic() - seconds_before
        self._progress = progress

    @property
    def seconds(self) -> float:
        """Seconds of training so far, including those before a resume."""
        return time.monotonic() - self._started

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Writes the history of the checkpoint to metrics.jsonl."""
        if state.is_world_process_zero:
            runs.write_jsonl(self._metrics, steps_of(state.log_history))

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Records the step, and stops a training that has diverged."""
        rows = steps_of(state.log_history[-1:])
        if not rows:
            return
        row = rows[0]
        if not math.isfinite(row["loss"]) or not math.isfinite(row.get("grad_norm", 0.0)):
            raise TrainingError(
                f"The loss at step {state.global_step} is {row['loss']} and the gradient norm {row.get('grad_norm')}: "
                f"training has diverged. The learning rate is {args.learning_rate}; lower it, or set bf16: false."
            )
        if state.is_world_process_zero:
            with self._metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            if self._progress:
                self._progress(state.global_step, state.max_steps, row)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Marks the checkpoint as complete."""
        if state.is_world_process_zero:
            self._checkpoints.mark_whole(state.global_step, self.seconds)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Ends training with a checkpoint if Ctrl-C was pressed."""
        if self.interrupted:
            control.should_save = True
            control.should_training_stop = True

    @contextlib.contextmanager
    def stopping_on_interrupt(self, num_processes: int) -> Iterator[None]:
        """Makes the first Ctrl-C end training after the current step, with a checkpoint; a second one ends it at once.

        Several processes would stop at different steps and wait for each other, so there Ctrl-C ends them at once.
        """
        if num_processes > 1 or threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt(number: int, frame: object) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
