"""round-N/align/rollouts.jsonl: the drafts that a method sampled while it trained, a row for each step."""

from pydantic import Field, NonNegativeInt

from cowest.records.base import Part
from cowest.types import GradedDraft, Usage


class Rollout(Part):
    """A draft of a query; one that was cut at the token limit is not refined and has no verdict."""

    example_id: str
    graded: GradedDraft


class RolloutStep(Part):
    """The drafts of a step, and what their refinements and verdicts took, by role."""

    step: int = Field(ge=1)
    rollouts: tuple[Rollout, ...]
    calls: dict[str, NonNegativeInt]
    usage: dict[str, Usage]
    cost_usd: float | None
