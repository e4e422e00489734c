"""The recipe's section for serving: limits, what happens when a model fails, and what is recorded."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cowest.types import Record


class RecordConfig(Record):
    """What of the traffic is kept, for people who asked for it.

    Attributes:
        folder: where a file a day is written; None is `traffic` in the run's folder.
        keep_days: days after which a day's file is deleted.
    """

    folder: str | None = Field(default=None, min_length=1)
    keep_days: int = Field(default=30, ge=1)


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


class ServeConfig(Record):
    """How the pair is served.

    Attributes:
        max_concurrency: requests in work at once, those that wait for the strong model's connections included; more
            are refused (429).
        max_body_bytes: size of a request.
        draft_deadline_s: seconds after which the strong model answers without the draft.
        stall_s: seconds between two pieces of a streamed answer after which the strong model counts as failed; a
            model that thinks for long between them needs more.
        slow_client_s: seconds that a client may take to send its request, or to take one piece of the answer.
        drain_s: seconds that requests in work get to end after SIGTERM.
        on_strong_failure: what a client gets when the strong model fails before it wrote anything.
        gate: which model answers a request.
        record: keeps queries, drafts and answers; None keeps nothing.
        trace: sends traces, without any text, to the collector that the OTEL_* environment variables name.
    """

    max_concurrency: int = Field(default=256, ge=1)
    max_body_bytes: int = Field(default=4 * 2**20, ge=1024)
    draft_deadline_s: float = Field(default=30, gt=0)
    stall_s: float = Field(default=120, gt=0)
    slow_client_s: float = Field(default=30, gt=0)
    drain_s: float = Field(default=30, gt=0)
    on_strong_failure: Literal["error", "draft"] = "error"
    gate: GateConfig = GateConfig()
    record: RecordConfig | None = None
    trace: bool = False
