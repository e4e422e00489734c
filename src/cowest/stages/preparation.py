"""The one-off cost of a row of the results: its own preparation, and what was paid for to train its weak model."""

from collections.abc import Mapping

from cowest.pricing import total_usd
from cowest.records import ExplanationSummary, FeedbackSummary, Preparation
from cowest.records.spend import add_calls, add_usage


def preparation_of(
    round_number: int | None,
    own: Preparation | None,
    summaries: Mapping[int, FeedbackSummary],
    explanations: ExplanationSummary | None = None,
) -> Preparation | None:
    """Adds up calls, tokens and money, including calls answered from the ledger.

    Args:
        round_number: of the weak model that the row uses, 0 after SFT; None where it uses none that was trained.
        own: the method's own preparation.
        summaries: of feedback by round, with the calls of alignment.
        explanations: that SFT learned from, where the strong model wrote some.

    Returns:
        None where there was no preparation, or where it is unknown because a round's summary is missing.
    """
    if round_number is None or (round_number == 0 and explanations is None):
        return own
    rounds = range(1, round_number + 1)
    if any(number not in summaries for number in rounds):
        return None
    used = [summaries[number] for number in rounds]
    parts = [each for each in (explanations, *used, own) if each is not None]
    counts: dict[str, int] = {} if explanations is None else {"num_to_explain": explanations.num_examples}
    if used:
        counts["rounds"] = round_number
        counts["num_queries"] = sum(each.num_examples for each in used)
        counts["num_pairs"] = sum(each.num_pairs for each in used)
    return (own or Preparation()).model_copy(
        update={
            **counts,
            "calls": add_calls(each.calls for each in parts),
            "usage": add_usage(each.usage for each in parts),
            "cost_usd": total_usd(each.cost_usd for each in parts),
        }
    )
