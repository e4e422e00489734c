"""Checkpoints of one training: which are complete and belong to it, and how the finished adapter replaces them."""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from cowest import quantization, runs
from cowest.errors import InputError
from cowest.model_folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS, CHAT_TEMPLATE
from cowest.quantization import Quantization
from cowest.records import TrainingRecord
from cowest.training.trained import DONE_MARKER

_OWNER = "fingerprint.json"
_WHOLE = "whole.json"


class Checkpoint(NamedTuple):
    """A complete checkpoint.

    Attributes:
        folder: what the trainer resumes from.
        step: the last step in it.
        wall_s: seconds of training before it.
    """

    folder: Path
    step: int
    wall_s: float


class _Owner(TypedDict):
    """fingerprint.json: which training the checkpoints belong to."""

    fingerprint: str
    num_processes: int


class _Mark(TypedDict):
    """whole.json in a checkpoint, written after all its other files."""

    step: int
    wall_s: float


class Checkpoints:
    """The folder `checkpoints` of a stage, and the files that replace it.

    Checkpoints hold pickles of the optimizer, so they are read from the stage's own folder only and deleted at the end.

    Args:
        out: the stage's folder.
        fingerprint: what the result depends on; checkpoints of another training are discarded, never resumed.
        num_processes: part of what a checkpoint, but not the result, depends on.
    """

    def __init__(self, out: Path, fingerprint: str, num_processes: int) -> None:
        self.out = out
        self.folder = out / "checkpoints"
        self.fingerprint = fingerprint
        self._owner = _Owner(fingerprint=fingerprint, num_processes=num_processes)

    def finished(self) -> TrainingRecord | None:
        """What training.json says, if this very training was finished before."""
        try:
            record = TrainingRecord.read(self.out / DONE_MARKER)
        except InputError:
            return None
        return record if record.fingerprint == self.fingerprint else None

    def prepare(self) -> None:
        """Removes what another training left, and checkpoints that a kill left incomplete."""
        for name in (DONE_MARKER, ADAPTER_CONFIG, ADAPTER_WEIGHTS, CHAT_TEMPLATE, quantization.FILE):
            (self.out / name).unlink(missing_ok=True)
        if _read(self.folder / _OWNER) != self._owner:
            shutil.rmtree(self.folder, ignore_errors=True)
            runs.write_json(self.folder / _OWNER, self._owner)
        for folder in self.folder.glob("checkpoint-*"):
            if _read(folder / _WHOLE) is None:
                shutil.rmtree(folder)

    def mark_whole(self, step: int, seconds: float) -> None:
        """Marks the checkpoint of `step` as complete, after `seconds` of training."""
        runs.write_json(self.folder / f"checkpoint-{step}" / _WHOLE, _Mark(step=step, wall_s=seconds))

    def last(self) -> Checkpoint | None:
        """The latest complete checkpoint."""
        marks = [(path.parent, _read(path)) for path in self.folder.glob(f"checkpoint-*/{_WHOLE}")]
        complete = [Checkpoint(folder, int(mark["step"]), float(mark["wall_s"])) for folder, mark in marks if mark]
        return max(complete, key=lambda checkpoint: checkpoint.step, default=None)

    def publish(
        self,
        model: Any,
        record: TrainingRecord,
        chat_template: str | None = None,
        quantize: Quantization | None = None,
    ) -> None:
        """Writes the adapter and then training.json, so that a kill leaves the folder either finished or not.

        Args:
            chat_template: saved with the adapter, so that it drafts with the prompts that it was trained on.
            quantize: saved with the adapter, so that it drafts over the weights that it was trained over.
        """
        final = self.folder / "final"
        # Only "default": TRL's frozen copy "ref" is not part of the result.
        model.save_pretrained(str(final), selected_adapters=["default"], save_embedding_layers=False)
        config = runs.read_json(final / ADAPTER_CONFIG)
        if isinstance(config.get("target_modules"), list):
            # PEFT holds them in a set, whose order differs from process to process.
            config["target_modules"].sort()
        config["base_model_name_or_path"] = record.base
        (final / ADAPTER_WEIGHTS).replace(self.out / ADAPTER_WEIGHTS)
        runs.write_json(self.out / ADAPTER_CONFIG, config)
        if chat_template is not None:
            runs.write_text(self.out / CHAT_TEMPLATE, chat_template)
        if quantize is not None:
            runs.write_text(self.out / quantization.FILE, quantization.text())
        record.write(self.out / DONE_MARKER)
        self.clean()

    def clean(self) -> None:
        """Removes the checkpoints of a finished training."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
