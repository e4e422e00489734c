"""One training from its rows to its finished folder: skip, resume, train, publish."""

import contextlib
import gc
import importlib.metadata
from collections.abc import Callable

from transformers import PrinterCallback, Trainer, TrainingArguments

from cowest import cpu_threads, heap
from cowest.errors import InterruptedRun, TrainingError
from cowest.records import TrainingRecord
from cowest.training import left_out
from cowest.training.callbacks import StepRecorder, steps_of
from cowest.training.checkpoints import Checkpoints
from cowest.training.job import Job
from cowest.training.progress import Progress, reporting
from cowest.training.settings import checkpoint_interval, num_steps
from cowest.training.trained import TrainedModel

_PACKAGES = ("torch", "transformers", "trl", "peft")


def train(
    job: Job, arguments: TrainingArguments, make_trainer: Callable[[], Trainer], progress: Progress | None
) -> TrainedModel:
    """Trains; resumes from a checkpoint of the same training, or returns its result if it is finished already.

    Args:
        arguments: of the trainer; their distributed state tells which process this is.
        make_trainer: called only if there is something to train.

    Raises:
        InputError: no row of SFT can be trained on.
        TrainingError: no pair can be trained on, the loss is not a number, or memory or disk ran out.
        InterruptedRun: Ctrl-C; the same call goes on.
    """
    state = arguments.distributed_state
    if not job.rows:
        if state.is_main_process:
            left_out.write(job.out, job.overlong, job.untrainable, job.limit)
        raise left_out.nothing_to_train(job.stage, job.out, job.overlong, job.untrainable, job.limit)
    checkpoints = Checkpoints(job.out, job.fingerprint(), state.num_processes)
    finished = checkpoints.finished()
    state.wait_for_everyone()
    if finished is not None:
        if state.is_main_process:
            checkpoints.clean()
        return job.model(finished)
    if state.is_main_process:
        checkpoints.prepare()
        left_out.write(job.out, job.overlong, job.untrainable, job.limit)
    state.wait_for_everyone()
    if arguments.use_cpu:
        heap.keep_freed_memory()
    steps = num_steps(job.settings, len(job.rows) * job.drafts_a_row, state.num_processes)
    arguments.save_steps = checkpoint_interval(job.settings, steps)
    with reporting(progress, job.stage) as report:
        trainer = make_trainer()
        trainer.remove_callback(PrinterCallback)
        with cpu_threads.fitting(trainer.model) if arguments.use_cpu else contextlib.nullcontext():
            metrics = _train(job, trainer, checkpoints, report, state.num_processes)
    if state.is_main_process:
        _publish(job, trainer, checkpoints, metrics)
    state.wait_for_everyone()
    _free(trainer)
    return job.model(metrics)


def _train(
    job: Job, trainer: Trainer, checkpoints: Checkpoints, progress: Progress, num_processes: int
) -> TrainingRecord:
    import torch

    last = checkpoints.last()
    recorder = StepRecorder(job.out / "metrics.jsonl", checkpoints, last.wall_s if last else 0.0, progress)
    trainer.add_callback(recorder)
    try:
        with recorder.stopping_on_interrupt(num_processes):
            trainer.train(resume_from_checkpoint=str(last.folder) if last else None)
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"The GPU ran out of memory with batch_size {job.settings.batch_size} and rows of up to "
            f"{max(row.num_tokens for row in job.rows)} tokens. Lower {job.stage}.batch_size (and raise "
            f"gradient_accumulation), set gradient_checkpointing: true, or lower max_length."
        ) from error
    except OSError as error:
        raise TrainingError(
            f"A checkpoint below {str(job.out)!r} could not be written or read: {error}. "
            "Make room, then run the same again."
        ) from error
    except KeyboardInterrupt:
        raise _interrupted(job, trainer, checkpoints) from None
    if recorder.interrupted and trainer.state.global_step < trainer.state.max_steps:
        raise _interrupted(job, trainer, checkpoints)
    return _metrics(job, trainer, checkpoints, recorder.seconds, last.step if last else None)


def _interrupted(job: Job, trainer: Trainer, checkpoints: Checkpoints) -> InterruptedRun:
    last = checkpoints.last()
    return InterruptedRun(
        f"Training of {job.stage} was stopped at step {trainer.state.global_step} of {trainer.state.max_steps}. "
        f"The same command goes on from step {last.step if last else 0}."
    )


def _metrics(
    job: Job, trainer: Trainer, checkpoints: Checkpoints, seconds: float, resumed_from: int | None
) -> TrainingRecord:
    steps = steps_of(trainer.state.log_history)
    packages = _PACKAGES if job.quantize is None else (*_PACKAGES, "bitsandbytes")
    return TrainingRecord(
        stage=job.stage,
        adapter=".",
        base=job.base,
        **job.facts,
        **job.outcome(),
        num_rows=len(job.rows),
        num_overlong=len(job.overlong),
        num_untrainable=len(job.untrainable),
        max_length=job.limit,
        num_steps=trainer.state.max_steps,
        tokens=sum(row.num_tokens_read for row in job.rows),
        first_loss=steps[0]["loss"],
        final_loss=steps[-1]["loss"],
        final={key: value for key, value in steps[-1].items() if key.startswith("rewards/")},
        wall_s=round(seconds, 3),
        resumed_from_step=resumed_from,
        settings=job.settings.model_dump(mode="json", by_alias=True),
        seed=job.seed,
        device=str(trainer.args.device),
        num_processes=trainer.args.world_size,
        fingerprint=checkpoints.fingerprint,
        versions={name: importlib.metadata.version(name) for name in packages},
    )


def _publish(job: Job, trainer: Trainer, checkpoints: Checkpoints, metrics: TrainingRecord) -> None:
    try:
        model = trainer.accelerator.unwrap_model(trainer.model)
        checkpoints.publish(model, metrics, job.chat_template, job.quantize)
    except OSError as error:
        raise TrainingError(
            f"The adapter could not be written to {str(job.out)!r}: {error}. Make room, then run the same again."
        ) from error


def _free(trainer: Trainer) -> None:
    import torch

    trainer.model = trainer.model_wrapped = trainer.optimizer = None
    gc.collect()
    heap.give_back_memory()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
