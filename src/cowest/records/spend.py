"""Sums over calls: their number and their tokens, by role."""

from collections.abc import Iterable, Mapping

from cowest.pricing import total_usd
from cowest.records.feedback import FeedbackSummary
from cowest.records.training import TrainingRecord
from cowest.types import Usage


def add_calls(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Number of calls by role, over several parts."""
    total: dict[str, int] = {}
    for part in parts:
        for role, count in part.items():
            total[role] = total.get(role, 0) + count
    return total


def add_usage(parts: Iterable[Mapping[str, Usage]]) -> dict[str, Usage]:
    """Tokens by role, over several parts."""
    total: dict[str, Usage] = {}
    for part in parts:
        for role, usage in part.items():
            total[role] = total.get(role, Usage()) + usage
    return total


def with_alignment(feedback: FeedbackSummary, training: TrainingRecord | None) -> FeedbackSummary:
    """The summary of a round with the calls that its alignment made, where that drafts while it trains."""
    if training is None or training.calls is None:
        return feedback
    return feedback.model_copy(
        update={
            "calls": add_calls([feedback.calls, training.calls]),
            "usage": add_usage([feedback.usage, training.usage or {}]),
            "cost_usd": total_usd([feedback.cost_usd, training.cost_usd]),
        }
    )
