"""The rules by which a claim is reproduced, not reproduced or inconclusive, from paired differences."""

from collections.abc import Mapping, Sequence

from cowest import statistics
from cowest.records import Claim, ClaimOutcome, Contrast, Difference

REPRODUCED: ClaimOutcome = "reproduced"
NOT_REPRODUCED: ClaimOutcome = "not reproduced"
INCONCLUSIVE: ClaimOutcome = "inconclusive"


def contrast(
    a: str, b: str, of_a: Mapping[str, float], of_b: Mapping[str, float], groups: Mapping[str, str | None]
) -> Contrast:
    """Compares scores by example id, over the examples in both.

    Args:
        groups: the group of each example by id; ids that are missing stand alone.
    """
    common = [key for key in of_a if key in of_b]
    difference = statistics.paired_difference(
        [of_a[key] for key in common], [of_b[key] for key in common], [groups.get(key) for key in common]
    )
    return Contrast(a=a, b=b, **dict(Difference.of(difference)))


def judge_all(contrasts: Sequence[Contrast]) -> tuple[ClaimOutcome, float | None]:
    """For a claim that holds only if every difference is above 0: the outcome and its p-value.

    Reproduced: every contrast is better; that needs no correction, since all must pass. Not reproduced: some contrast
    is worse, and its p-value is at most 0.05 when multiplied by the number of differences (Bonferroni). Otherwise
    inconclusive: a difference that was not detected may still exist.
    """
    if not contrasts:
        return INCONCLUSIVE, None
    largest = max(_p_value(each) for each in contrasts)
    if all(each.verdict == statistics.BETTER for each in contrasts):
        return REPRODUCED, largest
    p_against = [_bonferroni(each, contrasts) for each in contrasts if each.verdict == statistics.WORSE]
    if p_against and min(p_against) <= statistics.ALPHA:
        return NOT_REPRODUCED, min(p_against)
    return INCONCLUSIVE, largest


def judge_any(contrasts: Sequence[Contrast]) -> tuple[ClaimOutcome, float | None]:
    """For a claim that holds if some difference is above 0; the mirror image of `judge_all`.

    Reproduced: some contrast is better, and its corrected p-value is at most 0.05. Not reproduced: every contrast is
    worse. Otherwise inconclusive.
    """
    if not contrasts:
        return INCONCLUSIVE, None
    p_above = [_bonferroni(each, contrasts) for each in contrasts if each.verdict == statistics.BETTER]
    if p_above and min(p_above) <= statistics.ALPHA:
        return REPRODUCED, min(p_above)
    largest = max(_p_value(each) for each in contrasts)
    if all(each.verdict == statistics.WORSE for each in contrasts):
        return NOT_REPRODUCED, largest
    return INCONCLUSIVE, min(_bonferroni(each, contrasts) for each in contrasts)


def with_holm(claims: Sequence[Claim]) -> list[Claim]:
    """The claims with `p_holm` filled in; claims without a p-value are not part of the family."""
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


def _bonferroni(measured: Contrast, contrasts: Sequence[Contrast]) -> float:
    return min(1.0, _p_value(measured) * len(contrasts))


def _p_value(measured: Contrast) -> float:
    return 1.0 if measured.p_value is None else measured.p_value
