"""The recipe's section for the gate: `serve.gate`."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cowest.types import Record


class GateConfig(Record):
    """Which model answers a request. In a recipe also only the kind: `gate: calibrated`.

    Attributes:
        kind: "always" both; or, "calibrated", what the draft's confidence says: the draft alone, the strong model
            alone or both, as `cowest gate` learned on the validation split.
        min_accuracy: the cheapest policy that is at least so accurate there. Without this and without a limit of cost,
            at least as accurate as both together are there.
        max_cost_usd: the most accurate policy that costs at most so much a query there.
        limit: learns from the first so many examples of the validation split; None takes all.
    """

    kind: Literal["always", "calibrated"] = "always"
    min_accuracy: float | None = Field(default=None, gt=0, le=1)
    max_cost_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    limit: int | None = Field(default=None, ge=2)

    @model_validator(mode="before")
    @classmethod
    def _only_the_kind(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        targets = [name for name in ("min_accuracy", "max_cost_usd") if getattr(self, name) is not None]
        if self.kind == "always" and targets:
            raise ValueError(
                f"{targets[0]} is for a gate of kind `calibrated`; add `kind: calibrated`, or leave it out"
            )
        if len(targets) > 1:
            raise ValueError("min_accuracy and max_cost_usd cannot both be aimed at; give one of them")
        return self
