"""How several verdicts on one output become one. A verdict that could not be had is never counted as a score."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from cowest.judge.config import Rule
from cowest.types import Verdict


def median_of_scored(verdicts: Sequence[Verdict]) -> Verdict:
    """The median of one judge's repeats, the lower of the two in the middle; unscored where more than half are."""
    values = _values(verdicts)
    if 2 * len(values) >= len(verdicts):
        return _like(verdicts, statistics.median_low(values))
    if len(verdicts) == 1:
        return verdicts[0]
    return Verdict(unscored_reason=_missing(verdicts, "verdicts"))


def panel_verdict(rule: Rule, verdicts: Mapping[str, Verdict]) -> Verdict:
    """The verdict of a panel, which also holds its members' own.

    More than half of all members must answer. Their median counts, the lower of the two in the middle of an even
    number; or, by majority, the verdict that more than half of all members give.

    Args:
        rule: "median" or "majority".
        verdicts: the members' verdicts on one output, by role: all scores, or all comparisons with z.
    """
    given, num_members = list(verdicts.values()), len(verdicts)
    members = {role: verdict.value for role, verdict in verdicts.items()}
    values = _values(given)
    if 2 * len(values) <= num_members:
        return Verdict(unscored_reason=_missing(given, "members' verdicts"), members=members)
    if rule == "median":
        return _like(given, statistics.median_low(values)).model_copy(update={"members": members})
    value, count = Counter(values).most_common(1)[0]
    if 2 * count <= num_members:
        said = ", ".join(map(str, sorted(values)))
        return Verdict(
            unscored_reason=f"no verdict has a majority of the {num_members} members: {said}", members=members
        )
    return _like(given, value).model_copy(update={"members": members})


def _values(verdicts: Sequence[Verdict]) -> list[int]:
    return [verdict.value for verdict in verdicts if verdict.value is not None]


def _like(verdicts: Sequence[Verdict], value: int) -> Verdict:
    """A verdict with this value: a comparison with z where the given ones are, else a score."""
    votes = tuple(vote for verdict in verdicts for vote in verdict.votes or ())
    if any(verdict.compared is not None for verdict in verdicts):
        return Verdict(compared=value, votes=votes or None)
    return Verdict(score=value)


def _missing(verdicts: Sequence[Verdict], what: str) -> str:
    unscored = [verdict for verdict in verdicts if verdict.value is None]
    reasons = "; ".join(dict.fromkeys(verdict.unscored_reason or "" for verdict in unscored))
    return f"{len(unscored)} of {len(verdicts)} {what} are unscored: {reasons}"
