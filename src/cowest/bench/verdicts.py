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
    """For a claim that holds only if every difference is above 0: the verdict, and the p-value that decides.

    Reproduced: every interval lies above 0 and every p-value below 0.05; the largest decides, and needs no correction,
    since all must pass. Not reproduced: some interval reaches no further than 0; the smallest p-value among those
    decides. Else inconclusive.
    """
    if not contrasts:
        return INCONCLUSIVE, None
    against = [each for each in contrasts if each.ci95[1] <= 0]
    if against:
        return NOT_REPRODUCED, min(each.p_value for each in against)
    largest = max(each.p_value for each in contrasts)
    if all(each.ci95[0] > 0 for each in contrasts) and largest < ALPHA:
        return REPRODUCED, largest
    return INCONCLUSIVE, largest


def judge_any(contrasts: Sequence[Contrast]) -> tuple[Verdict, float | None]:
    """For a claim that holds if some difference is above 0: as `judge_all`, with Bonferroni's correction.

    Reproduced: an interval lies above 0 and its p-value, times the number of differences, is below 0.05. Not
    reproduced: no interval reaches above 0. Else inconclusive.
    """
    if not contrasts:
        return INCONCLUSIVE, None
    corrected = [min(1.0, each.p_value * len(contrasts)) for each in contrasts]
    above = [p for each, p in zip(contrasts, corrected, strict=True) if each.ci95[0] > 0]
    if above and min(above) < ALPHA:
        return REPRODUCED, min(above)
    if all(each.ci95[1] <= 0 for each in contrasts):
        return NOT_REPRODUCED, min(corrected)
    return INCONCLUSIVE, min(corrected)
