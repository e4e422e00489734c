"""Two methods on the same examples: their difference with a test, and how often one helps or harms."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cowest.errors import InputError
from cowest.statistics.bootstrap import RESAMPLES, Floats, bounded_mean_interval, checked, in_chunks
from cowest.types import Record

_ROUNDING = 1e-12
"""Scores this close are equal; they differ only by the order of a sum."""


class Difference(Record):
    """A difference of two means with its 95% interval and a two-sided p-value."""

    difference: float
    low: float
    high: float
    p_value: float


class HelpAndHarm(NamedTuple):
    """How often the pair changes whether the answer is right, against the model alone; shares of all examples.

    The help rate minus the harm rate is the difference of the two accuracies.
    """

    help_rate: float
    harm_rate: float


def paired_difference(a: ArrayLike, b: ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> Difference:
    """mean(a) - mean(b) over the same examples, with a paired bootstrap interval at 95%.

    Where all scores from 0 to 1 differ by the same, the package's first lines describe the interval.

    The p-value is two-sided. Where all scores are 0 or 1 it is McNemar's exact test. For other scores it is a sign-flip
    permutation test: under the null hypothesis that the two methods are exchangeable, each example's difference is as
    likely to have the other sign. The test tries every pattern of signs where `resamples` suffices for that; otherwise
    it draws `resamples` patterns and counts the observed one among them, so that p is never 0. On 0/1 scores the two
    tests are the same.

    Args:
        a, b: scores by example, shape [examples], in the same order.

    Raises:
        InputError: the two differ in length, hold nothing, or hold a value that is not a finite number.
    """
    first, second = _paired(a, b)
    differences = first - second
    interval = bounded_mean_interval(differences, resamples, seed, bounds=(-1.0, 1.0))
    if _is_binary(first) and _is_binary(second):
        p_value = mcnemar(first, second)
    else:
        p_value = _sign_flip(differences, resamples, seed)
    return Difference(difference=interval.value, low=interval.low, high=interval.high, p_value=p_value)


def mcnemar(a_correct: ArrayLike, b_correct: ArrayLike) -> float:
    """Two-sided p-value of McNemar's exact test: are as many examples right by `a` alone as by `b` alone?

    A binomial test over the examples on which the two disagree; 1.0 where they never do.

    Args:
        a_correct, b_correct: 0 or 1 by example, shape [examples], in the same order.

    Raises:
        InputError: the two differ in length, hold nothing, or hold something other than 0 and 1.
    """
    first, second = _paired(a_correct, b_correct)
    if not (_is_binary(first) and _is_binary(second)):
        raise InputError("McNemar's test takes scores of 0 and 1 only. Use paired_difference for other scores.")
    num_only_a, num_only_b = int((first > second).sum()), int((second > first).sum())
    if num_only_a + num_only_b == 0:
        return 1.0
    # Inside the function because scipy.stats takes most of a second to import.
    from scipy.stats import binomtest

    return float(binomtest(num_only_a, num_only_a + num_only_b, 0.5).pvalue)


def help_and_harm(alone: ArrayLike, together: ArrayLike) -> HelpAndHarm:
    """Shares of examples that the model alone gets wrong and the pair right (help), and the reverse (harm).

    Right means the full score of 1; a metric with values between counts them as wrong.

    Args:
        alone, together: scores by example, shape [examples], in the same order.

    Raises:
        InputError: the two differ in length, hold nothing, or hold a value that is not a finite number.
    """
    first, second = _paired(alone, together)
    alone_right, together_right = first >= 1.0, second >= 1.0
    return HelpAndHarm(
        help_rate=float((~alone_right & together_right).mean()),
        harm_rate=float((alone_right & ~together_right).mean()),
    )


def _sign_flip(differences: Floats, resamples: int, seed: int) -> float:
    changed = differences[np.abs(differences) > _ROUNDING]
    if len(changed) == 0:
        return 1.0
    total = changed.sum()
    # Sums of the same numbers in another order differ in the last bits; they are ties nevertheless.
    threshold = abs(total) - 1e-9 * np.abs(changed).sum()
    if len(changed) < 63 and 2 ** len(changed) <= resamples:
        patterns = (np.arange(2 ** len(changed))[:, None] >> np.arange(len(changed))) & 1
        return float((np.abs(2 * (patterns @ changed) - total) >= threshold).mean())
    rng = np.random.default_rng([seed, 1])

    def sums(num: int) -> Floats:
        flips = rng.integers(2, size=(num, len(changed)), dtype=np.int8)
        return np.asarray(2 * (flips @ changed) - total)

    num_as_extreme = int((np.abs(in_chunks(sums, resamples, len(changed))) >= threshold).sum())
    return (num_as_extreme + 1) / (resamples + 1)


def _paired(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    first, second = checked(a, num_axes=1), checked(b, num_axes=1)
    if len(first) != len(second):
        raise InputError(
            f"A paired comparison needs the same examples on both sides, but got {len(first)} and {len(second)} scores."
        )
    return first, second


def _is_binary(scores: Floats) -> bool:
    return bool(np.isin(scores, (0.0, 1.0)).all())
