"""The files of sft/explanations: what the strong model wrote for rows without an explanation, and the counts."""

from typing import Literal

from pydantic import Field, NonNegativeInt

from cowest.records.base import Document, Part
from cowest.types import Usage


class ExplainedExample(Part):
    """A training row without an explanation, and what came of explaining it: a row of explanations.jsonl.

    Attributes:
        reference: its accepted answers.
        outcome: "kept": the strong model finds the reference from the explanation alone. "rejected": it finds another
            answer, or the explanation states the reference, so that nothing is left to find. "failed": there is no
            explanation, or no answer to check it by.
        explanation: None where there is none.
        answer: what the strong model found from the explanation; None where it gave no answer.
        states_answer: whether it was rejected because it states the reference.
        reason: why it failed.
    """

    example_id: str
    query: str
    reference: tuple[str, ...]
    outcome: Literal["kept", "rejected", "failed"]
    explanation: str | None = None
    answer: str | None = None
    states_answer: bool = False
    reason: str | None = None


class ExplanationSummary(Document):
    """sft/explanations/summary.json.

    Attributes:
        num_examples: training rows without an explanation; each is kept, rejected or failed.
        num_made: explanations that were written.
        num_kept: those that SFT trains on. The other rows train without one.
        num_stating: those of the rejected that state the reference.
        calls, usage: by role, including calls answered from the ledger.
        cost_usd: None where a price is unknown.
    """

    num_examples: NonNegativeInt = 0
    num_made: NonNegativeInt = 0
    num_kept: NonNegativeInt = 0
    num_rejected: NonNegativeInt = 0
    num_stating: NonNegativeInt = 0
    num_failed: NonNegativeInt = 0
    calls: dict[str, NonNegativeInt] = Field(default_factory=dict)
    usage: dict[str, Usage] = Field(default_factory=dict)
    cost_usd: float | None = None
    wall_s: float | None = None
