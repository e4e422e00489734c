"""sft/training.json and round-N/align/training.json: a finished training, and the marker that it is finished."""

from typing import Any

from pydantic import Field, NonNegativeInt

from cowest.records.base import Document, only_where_known


class TrainingRecord(Document):
    """training.json.

    Attributes:
        stage: "sft" or "align".
        adapter: the LoRA adapter's folder, relative to this file's; None where the base itself is the model.
        base: the model under the adapter: a folder, a hub id or `package:folder`.
        from_: the checkpoint that stands in for a training (`sft.from`); nothing was trained, and the rest is unset.
        lora: the shape of the adapter.
        reference: DPO's reference: the adapter, or the full model without one.
        beta: DPO's scale.
        num_rows: that were trained on.
        num_overlong: left out because they are longer than `max_length` tokens.
        num_untrainable: left out because they hold no target, or a draft that was cut.
        tokens: of all rows of one epoch.
        final: rewards of the last step.
        wall_s: seconds of training, those before an interruption included.
        settings: the section of the recipe, which has the shape of that stage's own settings.
        fingerprint: what the result depends on, as SHA-256.
        versions: of the libraries.
    """

    stage: str = ""
    adapter: str | None
    base: str
    from_: str | None = Field(default=None, alias="from", exclude_if=lambda value: value is None)
    lora: dict[str, Any] | None = only_where_known()
    reference: str | None = only_where_known()
    beta: float | None = only_where_known()
    num_rows: NonNegativeInt | None = None
    num_overlong: NonNegativeInt = 0
    num_untrainable: NonNegativeInt = 0
    max_length: int | None = None
    num_steps: NonNegativeInt | None = None
    tokens: NonNegativeInt | None = None
    first_loss: float | None = None
    final_loss: float | None = None
    final: dict[str, float] = Field(default_factory=dict)
    wall_s: float | None = None
    resumed_from_step: int | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    device: str | None = None
    num_processes: int | None = None
    fingerprint: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)
