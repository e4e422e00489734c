"""The settings that SFT and alignment share, and the trainer arguments they become on this machine."""

import math
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from cowest import distributed
from cowest.errors import InputError
from cowest.types import Record

Optimizer = Literal["adamw", "rmsprop", "adafactor", "sgd"]
Schedule = Literal["linear", "cosine", "constant", "constant_with_warmup"]

_OPTIMIZERS = {"adamw": "adamw_torch"}
_MIN_STEPS_BETWEEN_CHECKPOINTS = 25
_CHECKPOINTS_PER_TRAINING = 20


class TrainingSettings(Record):
    """How a LoRA adapter is trained.

    Attributes:
        epochs: passes over the rows.
        learning_rate: at the end of the warm-up.
        batch_size: rows in one forward pass of one process.
        gradient_accumulation: forward passes in one step, divided among the processes where there are several: a step
            has `batch_size` x `gradient_accumulation` rows in any number of them.
        optimizer: by name.
        lr_schedule: how the learning rate decays; "linear" ends at zero.
        warmup_ratio: share of the steps in which the learning rate rises from zero.
        weight_decay: of the optimizer.
        max_grad_norm: gradients are clipped to this norm; 0 turns clipping off.
        max_length: tokens of prompt and completion together. A longer row is left out and listed, never cut.
            None: what the model's context holds.
        gradient_checkpointing: less memory for about a fifth more time. None: yes on a GPU, no on a CPU.
        bf16: mixed precision over weights in bfloat16. None: yes on a GPU that can, no on a CPU.
        save_every: steps between checkpoints for resuming. None: twenty in a training, at least 25 steps apart.
            It does not change the result.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    epochs: float = Field(default=1, gt=0)
    learning_rate: float = Field(default=1e-5, gt=0)
    batch_size: int = Field(default=1, ge=1)
    gradient_accumulation: int = Field(default=8, ge=1)
    optimizer: Optimizer = "adamw"
    lr_schedule: Schedule = "linear"
    warmup_ratio: float = Field(default=0.0, ge=0.0, lt=1.0)
    weight_decay: float = Field(default=0.0, ge=0.0)
    max_grad_norm: float = Field(default=1.0, ge=0.0)
    max_length: int | None = Field(default=None, ge=1)
    gradient_checkpointing: bool | None = None
    bf16: bool | None = None
    save_every: int | None = Field(default=None, ge=1)

    def decisive(self) -> dict[str, Any]:
        """The settings that the result depends on."""
        return self.model_dump(exclude={"save_every"})


def on_gpu() -> bool:
    """Whether training uses a GPU: there is one, and `accelerate launch --cpu` was not given."""
    import torch

    forced = os.environ.get("ACCELERATE_USE_CPU", "false").lower() in ("1", "true", "yes")
    return torch.cuda.is_available() and not forced


def uses_bf16(settings: TrainingSettings) -> bool:
    """Whether a training with these settings holds its weights in bfloat16 on this machine."""
    return on_gpu() and _has_bf16() if settings.bf16 is None else settings.bf16


def trainer_arguments(settings: TrainingSettings, folder: Path, seed: int) -> dict[str, str | float | None]:
    """Keyword arguments that the configs of TRL's trainers share.

    Args:
        folder: where checkpoints go.

    Raises:
        InputError: several GPUs are visible to this one process, bfloat16 is asked for where there is none, or the
            forward passes of a step cannot be divided among the processes.
    """
    gpu = on_gpu()
    if gpu:
        _refuse_several_gpus()
    bf16 = uses_bf16(settings)
    if bf16 and gpu and not _has_bf16():
        raise InputError("bf16 is true, but this GPU has no bfloat16. Set bf16: false, or null to have it decided.")
    checkpointing = gpu if settings.gradient_checkpointing is None else settings.gradient_checkpointing
    return {
        "output_dir": str(folder),
        "seed": seed,
        "data_seed": seed,
        "num_train_epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "per_device_train_batch_size": settings.batch_size,
        "gradient_accumulation_steps": accumulation(settings, distributed.num_processes()),
        "optim": _OPTIMIZERS.get(settings.optimizer, settings.optimizer),
        "lr_scheduler_type": settings.lr_schedule,
        "warmup_steps": settings.warmup_ratio,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "max_length": None,
        "gradient_checkpointing": checkpointing,
        "bf16": bf16,
        "use_cpu": not gpu,
        "dataloader_pin_memory": gpu,
        "dataloader_num_workers": 0,
        # Every weight of the adapter takes part in every step, so looking for unused ones only costs time.
        "ddp_find_unused_parameters": False,
        "save_strategy": "steps",
        "save_total_limit": 2,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "eval_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "push_to_hub": False,
    }


def accumulation(settings: TrainingSettings, num_processes: int) -> int:
    """Forward passes of each process in one step.

    Raises:
        InputError: `gradient_accumulation` is no multiple of the number of processes.
    """
    each, rest = divmod(settings.gradient_accumulation, num_processes)
    if rest:
        raise InputError(
            f"gradient_accumulation is {settings.gradient_accumulation}, which cannot be divided among {num_processes} "
            "processes, and a step has the same rows in any number of them. Start as many processes as divide it, or "
            f"set it to {num_processes * (each + 1)}."
        )
    return each


def num_steps(settings: TrainingSettings, num_rows: int, num_processes: int) -> int:
    """Optimizer steps of the whole training, as transformers counts them."""
    batches = math.ceil(num_rows / (settings.batch_size * num_processes))
    return math.ceil(settings.epochs * math.ceil(batches / accumulation(settings, num_processes)))


def checkpoint_interval(settings: TrainingSettings, steps: int) -> int:
    """Steps between two checkpoints of a training of `steps` steps."""
    return settings.save_every or max(_MIN_STEPS_BETWEEN_CHECKPOINTS, math.ceil(steps / _CHECKPOINTS_PER_TRAINING))


def _has_bf16() -> bool:
    import torch

    return torch.cuda.is_bf16_supported()


def _refuse_several_gpus() -> None:
    import torch

    if torch.cuda.device_count() > 1 and "LOCAL_RANK" not in os.environ:
        raise InputError(
            f"This one process sees {torch.cuda.device_count()} GPUs, and training uses one GPU a process. Start it "
            "with `accelerate launch -m cowest ...` to use them all, or set CUDA_VISIBLE_DEVICES=0."
        )
