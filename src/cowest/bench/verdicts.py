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
        note: what could not be measured and why, or what the reader should know beside the verdict.
    """

    name: str
    statement: str
    verdict: Verdict
    p_value: float | None
    contrasts: tuple[Contrast, ...]
    note: str = ""


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


def _corrected(one: Contrast, contrasts: Sequence[Contrast]) -> float:
    return min(1.0, one.p_value * len(contrasts))
