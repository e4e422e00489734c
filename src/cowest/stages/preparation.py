"""What a row of the results took once, before its first query: its own preparation, and the feedback behind it."""

from collections.abc import Mapping

from cowest.pricing import total_usd
from cowest.records import FeedbackSummary, Preparation
from cowest.records.spend import add_calls, add_usage


def preparation_of(
    round_number: int | None, own: Preparation | None, summaries: Mapping[int, FeedbackSummary]
) -> Preparation | None:
    """Calls, tokens and money, whether or not a ledger knew them.

    Args:
        round_number: whose aligned model the row uses, if it uses one.
        own: what the method itself did before.
        summaries: of feedback by round.

    Returns:
        None where nothing was done before, or where it is not known what, since a round's summary is missing.
    """
    if not round_number:
        return own
    rounds = range(1, round_number + 1)
    if any(number not in summaries for number in rounds):
        return None
    behind = [summaries[number] for number in rounds]
    parts: list[FeedbackSummary | Preparation] = [*behind, *([] if own is None else [own])]
    return (own or Preparation()).model_copy(
        update={
            "rounds": round_number,
            "num_queries": sum(each.num_examples for each in behind),
            "num_pairs": sum(each.num_pairs for each in behind),
            "calls": add_calls(each.calls for each in parts),
            "usage": add_usage(each.usage for each in parts),
            "cost_usd": total_usd(each.cost_usd for each in parts),
        }
    )
