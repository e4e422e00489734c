"""The rule by which a claim is reproduced, not reproduced or inconclusive: from paired differences, never by hand."""

from collections.abc import Mapping, Sequence
from typing import Literal

from cowest import statistics
from cowest.types import Record

ALPHA = 0.05

Verdict = Literal["reproduced", "not reproduced", "inconclusive"]
REPRODUCED: Verdict = "reproduced"
NOT_REPRODUCED: Verdict = "not reproduced"
INCONCLUSIVE: Verdict = "inconclusive"


class Contrast(Record):
    """How much more `a` has than `b` on the same examples, where the claim says that it has more."""

    a: str
    b: str
    difference: float
    ci95: tuple[float, float]
    p_value: float


class Claim(Record):
    """A claim of the paper, what was measured for it, and how it came out on this task.

    Attributes:
        p_value: what the verdict rests on; None where nothing could be measured.
        p_holm: the same, corrected by Holm's method for the number of claims that were measured; it decides nothing.
        note: what could not be measured and why, or what the reader should know beside the verdict.
    """

    name: str
    statement: str
    verdict: Verdict
    p_value: float | None
    contrasts: tuple[Contrast, ...]
    note: str = ""
    p_holm: float | None = None


def contrast(a: str, b: str, of_a: Mapping[str, float], of_b: Mapping[str, float], seed: int) -> Contrast:
    """Compares scores by example's id, over the examples that both have."""
    common = [key for key in of_a if key in of_b]
    found = statistics.paired_difference([of_a[key] for key in common], [of_b[key] for key in common], seed=seed)
    return Contrast(
        a=a, b=b, difference=found.difference, ci95=(found.low, found.high), p_value=min(1.0, found.p_value)
    )


def judge_all(contrasts: Sequence[Contrast]) -> tuple[Verdict, float | None]:
    """For a claim that holds only if every difference is above 0: the verdict, and the p-value that it rests on.

    Reproduced: every interval lies above 0 and the largest p-value is below 0.05; that needs no correction, since all
    must pass. Not reproduced: some interval lies below 0, and its p-value is below 0.05 when multiplied by the number
    of differences (Bonferroni). Else inconclusive: no difference that could be seen is not yet a difference of 0.
    """
    if not contrasts:
        return INCONCLUSIVE, None
    largest = max(each.p_value for each in contrasts)
    if all(each.ci95[0] > 0 for each in contrasts) and largest < ALPHA:
        return REPRODUCED, largest
    against = [_corrected(each, contrasts) for each in contrasts if each.ci95[1] < 0]
    if against and min(against) < ALPHA:
        return NOT_REPRODUCED, min(against)
    return INCONCLUSIVE, largest


def judge_any(contrasts: Sequence[Contrast]) -> tuple[Verdict, float | None]:
    """For a claim that holds if some difference is above 0; the mirror image of `judge_all`.

    Reproduced: some interval lies above 0, and its corrected p-value is below 0.05. Not reproduced: every interval
    lies below 0 and the largest p-value is below 0.05. Else inconclusive.
    """
    if not contrasts:
        return INCONCLUSIVE, None
    above = [_corrected(each, contrasts) for each in contrasts if each.ci95[0] > 0]
    if above and min(above) < ALPHA:
        return REPRODUCED, min(above)
    largest = max(each.p_value for each in contrasts)
    if all(each.ci95[1] < 0 for each in contrasts) and largest < ALPHA:
        return NOT_REPRODUCED, largest
    return INCONCLUSIVE, min(_corrected(each, contrasts) for each in contrasts)


def with_holm(claims: Sequence[Claim]) -> list[Claim]:
    """The claims with `p_holm`; those without a p-value are not counted among them."""
    measured = [claim.p_value for claim in claims if claim.p_value is not None]
    corrected = iter(holm(measured))
    return [
        claim if claim.p_value is None else claim.model_copy(update={"p_holm": next(corrected)}) for claim in claims
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of a family of tests, corrected for their number (Holm 1979), in the same order.

    Rejecting those below 0.05 rejects any true hypothesis of the family with a chance of at most 5%.
    """
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, p_values[index] * (len(p_values) - rank))
        corrected[index] = min(1.0, largest)
    return corrected


def _corrected(one: Contrast, contrasts: Sequence[Contrast]) -> float:
    return min(1.0, one.p_value * len(contrasts))
