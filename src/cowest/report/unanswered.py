"""Replies without an answer: their share beside every row, and where unequal shares bias a comparison."""

from cowest import words
from cowest.method_names import label
from cowest.records import Comparison, EvaluationResults

HIGH_SHARE = 0.05
"""Above this share of replies without an answer, a score says more about form than about knowledge: a warning."""

UNEQUAL_SHARES = 0.05
"""Two rows whose shares differ by more than this are not compared on their answers alone."""


def share_of(num_unparsed: int, num_examples: int | None) -> float | None:
    """Share of the examples whose reply holds no answer; None where the number of examples is not known."""
    return num_unparsed / num_examples if num_examples else None


def share_text(num_unparsed: int, num_examples: int | None) -> str:
    """The share in percent, or the number where the number of examples is not known."""
    share = share_of(num_unparsed, num_examples)
    return words.count(num_unparsed) if share is None else words.percent(share)


def is_high(num_unparsed: int, num_examples: int | None) -> bool:
    """Whether the share deserves a warning."""
    return (share_of(num_unparsed, num_examples) or 0.0) > HIGH_SHARE


def unequal_shares(results: EvaluationResults, comparison: Comparison) -> str | None:
    """The two shares where they differ by too much for the comparison, "12.0% against 1.0%"; else None."""
    rows = [results.methods.get(name) for name in (comparison.a, comparison.b)]
    shares = [share_of(row.num_unparsed, results.num_examples) for row in rows if row is not None]
    known = [share for share in shares if share is not None]
    if len(known) < 2 or abs(known[0] - known[1]) <= UNEQUAL_SHARES:
        return None
    return f"{words.percent(known[0])} against {words.percent(known[1])}"


def comparison_notes(results: EvaluationResults) -> list[str]:
    """A sentence for each pair of rows that are compared with unequal shares."""
    notes = {
        (each.a, each.b): f"{label(each.a)} and {label(each.b)}: {shares} of the replies hold no answer and count as "
        "wrong, so part of their difference may be one of form."
        for each in results.comparisons
        if (shares := unequal_shares(results, each)) is not None
    }
    return list(notes.values())
