"""The result of a training stage: which adapter on which base, and how the training went."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from cowest.errors import InputError
from cowest.records import TrainingRecord
from cowest.types import Record

DONE_MARKER = "training.json"
"""Written last, so that a folder holds it exactly if its training is finished."""


class TrainedModel(Record):
    """A weak model after SFT or alignment.

    Attributes:
        folder: the folder of the LoRA adapter; None where the base itself is the model (`sft.from`).
        base: the model under the adapter: a folder, a hub id or `package:folder`.
        metrics: the content of training.json.
    """

    folder: str | None
    base: str
    metrics: TrainingRecord

    @property
    def model(self) -> str:
        """Its name in a recipe and for `load_model`: "local/FOLDER"."""
        return f"local/{self.folder or self.base}"

    def __str__(self) -> str:
        return self.model

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Where it is, and from how many rows and steps; `metrics` has the rest."""
        yield from (("folder", self.folder), ("base", self.base))
        if self.metrics.num_steps is not None:
            yield from (("num_rows", self.metrics.num_rows), ("num_steps", self.metrics.num_steps))
            yield "final_loss", self.metrics.final_loss

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Reads a finished training's folder.

        Raises:
            InputError: there is no finished training in it, or a newer version wrote it.
        """
        marker = Path(folder) / DONE_MARKER
        if not marker.is_file():
            raise InputError(
                f"{str(folder)!r} holds no finished training: it has no {DONE_MARKER}. {TrainingRecord.ADVICE}"
            )
        record = TrainingRecord.read(marker)
        adapter = None if record.adapter is None else str(Path(folder) / record.adapter)
        return cls(folder=adapter, base=record.base, metrics=record)
