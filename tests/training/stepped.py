"""SFT and alignment of a tiny model in a few steps, after any of which something can happen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cowest.stages.align import AlignConfig, align
from cowest.stages.sft import SFTConfig, sft
from cowest.training import LoRAConfig, TrainedModel
from tests.training import tiny

# 21 rows: the last step of each epoch has fewer rows, and the second checkpoint lies in the second epoch.
SETTINGS: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 2,
    "gradient_accumulation": 2,
    "learning_rate": 1e-2,
    "save_every": 4,
}
NUM_STEPS = 12
Progress = Callable[[int, int, dict[str, float]], None]


def run_sft(base: Path, out: Path, progress: Progress | None = None, **changes: Any) -> TrainedModel:
    """Twelve steps of SFT; `progress` is called after each."""
    return sft(
        str(base),
        tiny.examples(21),
        out=out,
        config=SFTConfig(**SETTINGS | changes),
        lora=LoRAConfig(dropout=0.1),
        progress=progress,
    )


def run_align(start: Path, out: Path, progress: Progress | None = None) -> TrainedModel:
    """Eight steps of DPO after such an SFT, with a checkpoint every three."""
    config = AlignConfig(epochs=2, gradient_accumulation=2, learning_rate=1e-3, save_every=3)
    return align(TrainedModel.read(start), tiny.pairs(7), out=out, config=config, progress=progress)


OTHER_METHODS: dict[str, dict[str, Any]] = {
    "gain": {"pairs": "all", "weight": "gain"},
    "offset": {"weight": "offset"},
    "kto": {"method": "kto", "batch_size": 2},
    "rft": {"method": "rft"},
}
"""Sections `align` by a name for each."""


def run_other(name: str, start: Path, out: Path, progress: Progress | None = None) -> TrainedModel:
    """Four steps or more of another method after such an SFT, with a checkpoint every two."""
    config = AlignConfig(**{"epochs": 2, "gradient_accumulation": 1, "save_every": 2} | OTHER_METHODS[name])
    return align(TrainedModel.read(start), tiny.graded(2), out=out, config=config, progress=progress)


def at(step: int, action: Callable[[], None]) -> Progress:
    """Does something after a step: raises, interrupts, kills."""

    def progress(done: int, total: int, metrics: dict[str, float]) -> None:
        if done == step:
            action()

    return progress
