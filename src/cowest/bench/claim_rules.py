"""The rules by which a claim is reproduced, not reproduced or inconclusive, from paired differences."""

from collections.abc import Mapping, Sequence

from cowest import statistics
from cowest.records import Claim, ClaimOutcome, Contrast, Difference

REPRODUCED: ClaimOutcome = "reproduced"
NOT_REPRODUCED: ClaimOutcome = "not reproduced"
INCONCLUSIVE: ClaimOutcome = "inconclusive"


def contrast(
    a: str,
    b: str,
    of_a: Mapping[int, Mapping[str, float]],
    of_b: Mapping[int, Mapping[str, float]],
    groups: Mapping[str, str | None],
    *,
    is_trained: tuple[bool, bool] = (True, True),
    metric: str = "",
) -> Contrast | None:
    """Compares scores over the seeds and the examples that both have; None where they have none in common.

    Args:
        of_a, of_b: by seed and example.
        groups: by example, the group it belongs to; those that are not there stand alone.
        is_trained: whether `a` and `b` depend on the seed; one that does not is compared with every seed.
        metric: of the scores.
    """
    if all(is_trained):
        seeds = [seed for seed in of_a if seed in of_b]
        of_a, of_b = {seed: of_a[seed] for seed in seeds}, {seed: of_b[seed] for seed in seeds}
    scores = [*of_a.values(), *of_b.values()]
    common = [key for key in scores[0] if all(key in each for each in scores)] if of_a and of_b else []
    if not common:
        return None
    difference = statistics.paired_difference_over_seeds(
        [[each[key] for key in common] for each in of_a.values()],
        [[each[key] for key in common] for each in of_b.values()],
        [groups.get(key) for key in common],
    )
    num_seeds = max(len(of_a), len(of_b))
    return Contrast(
        a=a, b=b, metric=metric, num_seeds=num_seeds if any(is_trained) else None, **dict(Difference.of(difference))
    )


def judge_all(contrasts: Sequence[Contrast]) -> tuple[ClaimOutcome, float | None]:
    """For a claim that holds only if every difference is above 0: the outcome and its p-value.

    Reproduced: each is better, by the one rule for it; that needs no correction, since all must pass. Not reproduced:
    some is worse, also when its p-value is multiplied by the number of differences (Bonferroni). Otherwise
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

    Reproduced: some is better, also when its p-value is corrected. Not reproduced: each is worse. Otherwise
    inconclusive.
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
    corrected = iter(statistics.holm(measured))
    return [
        claim if claim.p_value is None else claim.model_copy(update={"p_holm": next(corrected)}) for claim in claims
    ]


def _bonferroni(measured: Contrast, contrasts: Sequence[Contrast]) -> float:
    return min(1.0, _p_value(measured) * len(contrasts))


def _p_value(measured: Contrast) -> float:
    return 1.0 if measured.p_value is None else measured.p_value
