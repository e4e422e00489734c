"""sft/training.json and round-N/align/training.json: the record of a training; its presence marks it as finished."""

from typing import Any, ClassVar

from pydantic import Field, NonNegativeInt

from cowest.records.base import Document
from cowest.types import Usage, omitted_if_none


class TrainingRecord(Document):
    """training.json.

    Attributes:
        stage: "sft" or "align".
        adapter: the LoRA adapter's folder, relative to this file's; None where the base is used as it is.
        base: the model under the adapter: a folder, a hub id or `package:folder`.
        from_: the checkpoint used in place of a training (`sft.from`); nothing was trained, and the rest is unset.
        lora: the shape of the adapter.
        method: of alignment.
        reference: that of dpo and kto: the adapter, or the full model without one.
        beta: their scale.
        loss, weight: of dpo: the loss over pairs, and how the gains count in it.
        desirable_weight, undesirable_weight: of kto.
        num_rows: rows trained on; of grpo, queries.
        num_drafts, num_drafts_cut, num_unscored: of grpo: sampled while it trained; cut at the token limit, so that
            they were not refined; without a verdict.
        calls, usage, cost_usd: of grpo: refinements and verdicts, by role, including those answered from the ledger.
        num_overlong: rows left out because they are longer than `max_length` tokens.
        num_untrainable: rows left out because they hold no target, or a truncated draft.
        tokens: of all rows, in one epoch.
        final: the rewards at the last step.
        wall_s: seconds of training, those before an interruption included.
        settings: the stage's section of the recipe.
        fingerprint: SHA-256 of everything the result depends on.
        versions: of the libraries.
    """

    ADVICE: ClassVar[str] = "Delete it and run the stage that makes it again, or give another folder."

    stage: str = ""
    adapter: str | None
    base: str
    from_: str | None = Field(default=None, alias="from", exclude_if=lambda value: value is None)
    lora: dict[str, Any] | None = omitted_if_none()
    method: str | None = omitted_if_none()
    reference: str | None = omitted_if_none()
    beta: float | None = omitted_if_none()
    loss: str | None = omitted_if_none()
    weight: str | None = omitted_if_none()
    desirable_weight: float | None = omitted_if_none()
    undesirable_weight: float | None = omitted_if_none()
    num_rows: NonNegativeInt | None = None
    num_drafts: NonNegativeInt | None = omitted_if_none()
    num_drafts_cut: NonNegativeInt | None = omitted_if_none()
    num_unscored: NonNegativeInt | None = omitted_if_none()
    calls: dict[str, NonNegativeInt] | None = omitted_if_none()
    usage: dict[str, Usage] | None = omitted_if_none()
    cost_usd: float | None = omitted_if_none()
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
