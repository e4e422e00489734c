"""The recipe's section for the gate: `serve.gate`."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cowest.types import Record


class GateConfig(Record):
    """Which model answers a request. In a recipe the kind alone will do: `gate: calibrated`.

    Attributes:
        kind: "always" uses both models. "calibrated" lets the draft's confidence decide between the draft alone, the
            strong model alone and both, as `cowest gate` learned on the validation split.
        min_accuracy: chooses the cheapest policy with at least this accuracy on validation. Without this and
            `max_cost_usd`, the accuracy of both models together is required.
        max_cost_usd: chooses the most accurate policy with at most this cost per query on validation.
        limit: number of examples to learn from, from the start of the validation split; None means all.
    """

    kind: Literal["always", "calibrated"] = "always"
    min_accuracy: float | None = Field(default=None, gt=0, le=1)
    max_cost_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    limit: int | None = Field(default=None, ge=2)

    @model_validator(mode="before")
    @classmethod
    def _from_kind(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_at_most_one_target(self) -> Self:
        targets = [name for name in ("min_accuracy", "max_cost_usd") if getattr(self, name) is not None]
        if self.kind == "always" and targets:
            raise ValueError(
                f"{targets[0]} is for a gate of kind `calibrated`; add `kind: calibrated`, or leave it out"
            )
        if len(targets) > 1:
            raise ValueError("min_accuracy and max_cost_usd cannot both be aimed at; give one of them")
        return self
