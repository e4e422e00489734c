"""The one-off cost of a row of the results: its own preparation, and the feedback behind its model."""

from collections.abc import Mapping

from cowest.pricing import total_usd
from cowest.records import FeedbackSummary, Preparation
from cowest.records.spend import add_calls, add_usage


def preparation_of(
    round_number: int | None, own: Preparation | None, summaries: Mapping[int, FeedbackSummary]
) -> Preparation | None:
    """Adds up calls, tokens and money, including calls answered from the ledger.

    Args:
        round_number: of the aligned model that the row uses, if any.
        own: the method's own preparation.
        summaries: of feedback by round.

    Returns:
        None where there was no preparation, or where it is unknown because a round's summary is missing.
    """
    if not round_number:
        return own
    rounds = range(1, round_number + 1)
    if any(number not in summaries for number in rounds):
        return None
    used = [summaries[number] for number in rounds]
    parts: list[FeedbackSummary | Preparation] = [*used, *([] if own is None else [own])]
    return (own or Preparation()).model_copy(
        update={
            "rounds": round_number,
            "num_queries": sum(each.num_examples for each in used),
            "num_pairs": sum(each.num_pairs for each in used),
            "calls": add_calls(each.calls for each in parts),
            "usage": add_usage(each.usage for each in parts),
            "cost_usd": total_usd(each.cost_usd for each in parts),
        }
    )
