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
    """Compares scores by example's id, over the examples that both have.

    Args:
        groups: by id, what an example belongs to; ids that are not there stand alone.
    """
    common = [key for key in of_a if key in of_b]
    found = statistics.paired_difference(
        [of_a[key] for key in common], [of_b[key] for key in common], [groups.get(key) for key in common]
    )
    return Contrast(a=a, b=b, **dict(Difference.of(found)))


def judge_all(contrasts: Sequence[Contrast]) -> tuple[ClaimOutcome, float | None]:
    """For a claim that holds only if every difference is above 0: the outcome, and the p-value that it rests on.

    Reproduced: each is better, by the one rule for it; that needs no correction, since all must pass. Not reproduced:
    some is worse, also when its p-value is multiplied by the number of differences (Bonferroni). Else inconclusive: no
    difference that could be seen is not yet a difference of 0.
    """
    if not contrasts:
        return INCONCLUSIVE, None
    largest = max(_p_value(each) for each in contrasts)
    if all(each.verdict == statistics.BETTER for each in contrasts):
        return REPRODUCED, largest
    against = [_corrected(each, contrasts) for each in contrasts if each.verdict == statistics.WORSE]
    if against and min(against) <= statistics.ALPHA:
        return NOT_REPRODUCED, min(against)
    return INCONCLUSIVE, largest


def judge_any(contrasts: Sequence[Contrast]) -> tuple[ClaimOutcome, float | None]:
    """For a claim that holds if some difference is above 0; the mirror image of `judge_all`.

    Reproduced: some is better, also when its p-value is corrected. Not reproduced: each is worse. Else inconclusive.
    """
    if not contrasts:
        return INCONCLUSIVE, None
    above = [_corrected(each, contrasts) for each in contrasts if each.verdict == statistics.BETTER]
    if above and min(above) <= statistics.ALPHA:
        return REPRODUCED, min(above)
    largest = max(_p_value(each) for each in contrasts)
    if all(each.verdict == statistics.WORSE for each in contrasts):
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
    return min(1.0, _p_value(one) * len(contrasts))


def _p_value(one: Contrast) -> float:
    return 1.0 if one.p_value is None else one.p_value
