"""The result of a training stage: which adapter on which base, and how the training went."""

import json
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from cowest.errors import InputError
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
    metrics: dict[str, Any] = Field(default_factory=dict)

    @property
    def model(self) -> str:
        """Its name in a recipe and for `load_model`: "local/FOLDER"."""
        return f"local/{self.folder or self.base}"

    def __str__(self) -> str:
        return self.model

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Reads a finished training's folder.

        Raises:
            InputError: there is no finished training in it.
        """
        marker = Path(folder) / DONE_MARKER
        try:
            metrics = json.loads(marker.read_text(encoding="utf-8"))
            adapter = None if metrics["adapter"] is None else str(Path(folder) / metrics["adapter"])
            return cls(folder=adapter, base=metrics["base"], metrics=metrics)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{str(folder)!r} holds no finished training: {DONE_MARKER} cannot be read ({error}). "
                "Delete it and run the stage that makes it again, or give another folder."
            ) from error
