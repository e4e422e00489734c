"""Intervals and tests over examples: bootstrap, paired differences, McNemar, help and harm, seeds by queries.

Every interval is a percentile bootstrap at 95%. Examples are what is resampled, so an interval says how far another
draw of the test set would move the number; only `two_level_interval` also speaks about other seeds.

Where all examples have the same value, every resample has it too, and the bootstrap would call one number certain: a
method that gets none of 20 examples right would get 0% [0, 0]. There the interval allows for the examples that were not
seen: with 95% confidence no more than a share u of them, Wilson's upper limit for none of n, have another value, which
lies somewhere in the range of a score. Of 20 scores of 0 that makes [0, u], u = 16.1%, which is Wilson's interval; of
differences that are all 0, [-u, u].
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cowest.errors import InputError
from cowest.types import Record

Floats = NDArray[np.float64]

RESAMPLES = 10_000
_ROUNDING = 1e-12
"""Two scores that are no further apart are one, reached by sums in another order."""

_CHUNK = 2_000_000  # numbers held at once, 16 MB


class Interval(Record):
    """A value with its 95% interval."""

    value: float
    low: float
    high: float


class Difference(Record):
    """A difference of two means with its 95% interval and a two-sided p-value."""

    difference: float
    low: float
    high: float
    p_value: float


class HelpAndHarm(NamedTuple):
    """How often the pair changes what the model alone would have got; shares of all examples.

    The help rate minus the harm rate is the difference of the two accuracies.
    """

    help_rate: float
    harm_rate: float


def mean_interval(values: ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The mean of scores from 0 to 1 (shape [examples]) with its percentile bootstrap interval at 95%.

    Of scores that are all the same the interval is the one that the module's first lines describe.

    Raises:
        InputError: no value, or one that is not a finite number.
    """
    return _mean_interval(_checked(values, num_axes=1), resamples, seed, bounds=(0.0, 1.0))


def paired_difference(a: ArrayLike, b: ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> Difference:
    """mean(a) - mean(b) over the same examples, with a paired bootstrap interval at 95%.

    Of scores from 0 to 1 that differ by the same everywhere the interval is the one that the module's first lines
    describe.

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
    interval = _mean_interval(differences, resamples, seed, bounds=(-1.0, 1.0))
    if _is_binary(first) and _is_binary(second):
        p_value = mcnemar(first, second)
    else:
        p_value = _sign_flip(differences, resamples, seed)
    return Difference(difference=interval.value, low=interval.low, high=interval.high, p_value=p_value)


def mcnemar(a_correct: ArrayLike, b_correct: ArrayLike) -> float:
    """Two-sided p-value of McNemar's exact test: are the examples only a gets and only b gets equally many?

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


def two_level_interval(
    values_by_seed: ArrayLike | Sequence[ArrayLike],
    resamples: int = RESAMPLES,
    seed: int = 0,
    clusters: Sequence[str] | None = None,
) -> Interval:
    """The mean over seeds and queries, with an interval that covers both other seeds and other queries.

    Each resample draws seeds and, independently, queries; all its seeds share the one draw of queries, because the
    seeds of a study answer the same test set. With two or three seeds the interval is too narrow rather than too wide;
    of values that are all the same it is a point, which says nothing.

    Args:
        values_by_seed: scores (or paired differences), shape [seeds, queries].
        clusters: what each query is about, of length [queries]; whole clusters are then drawn instead of queries,
            since two questions about the same thing are not two independent ones.

    Raises:
        InputError: not two axes, no value, one that is not a finite number, or a wrong number of clusters.
    """
    sample = _checked(values_by_seed, num_axes=2)
    num_seeds, num_queries = sample.shape
    if clusters is not None and len(clusters) != num_queries:
        raise InputError(f"There are {num_queries} queries but {len(clusters)} clusters. Give one for each query.")
    _, which = np.unique(np.arange(num_queries) if clusters is None else np.array(clusters), return_inverse=True)
    sizes = np.bincount(which).astype(np.float64)
    sums = np.stack([np.bincount(which, weights=row) for row in sample])
    rng = np.random.default_rng(seed)

    def means(num: int) -> Floats:
        weights = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=num) / num_seeds
        drawn = rng.integers(len(sizes), size=(num, len(sizes)), dtype=np.int32)
        totals = np.take_along_axis(weights @ sums, drawn, axis=1).sum(axis=1)
        return np.asarray(totals / sizes[drawn].sum(axis=1))

    return _interval(float(sample.mean()), _in_chunks(means, resamples, len(sizes)))


def interaction_2x2(
    a_with_a: ArrayLike,
    a_with_b: ArrayLike,
    b_with_a: ArrayLike,
    b_with_b: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """How much better each adapter works with the partner it was aligned to: (aa - ab) - (ba - bb).

    An interval above 0 says that alignment is to one strong model and not to strong models at large.

    Args:
        a_with_a, a_with_b, b_with_a, b_with_b: scores of the adapter aligned to the first-named strong model when it
            works with the second-named one, over the same queries; shape [queries], or [seeds, queries] to resample
            both.

    Raises:
        InputError: the four differ in shape, hold nothing, or hold a value that is not a finite number.
    """
    cells = [np.asarray(cell, dtype=np.float64) for cell in (a_with_a, a_with_b, b_with_a, b_with_b)]
    shapes = {cell.shape for cell in cells}
    if len(shapes) != 1:
        raise InputError(f"The four cells of a 2x2 need the same queries, but their shapes are {sorted(shapes)}.")
    contrast = cells[0] - cells[1] - cells[2] + cells[3]
    if contrast.ndim == 2:
        return two_level_interval(contrast, resamples, seed)
    return _mean_interval(_checked(contrast, num_axes=1), resamples, seed, bounds=(-2.0, 2.0))


def _mean_interval(sample: Floats, resamples: int, seed: int, bounds: tuple[float, float]) -> Interval:
    """The mean with its bootstrap interval; `bounds` is the range in which a value that was not seen would lie."""
    rng = np.random.default_rng(seed)

    def means(num: int) -> Floats:
        drawn = sample[rng.integers(len(sample), size=(num, len(sample)), dtype=np.int32)]
        return np.asarray(drawn.mean(axis=1))

    interval = _interval(float(sample.mean()), _in_chunks(means, resamples, len(sample)))
    lowest, highest = bounds
    if sample.min() < sample.max() or not lowest <= sample[0] <= highest:
        return interval
    from scipy.stats import binomtest

    unseen = float(binomtest(0, len(sample)).proportion_ci(method="wilson").high)
    low, high = ((1 - unseen) * sample[0] + unseen * bound for bound in bounds)
    return Interval(value=float(sample[0]), low=float(low), high=float(high))


def _sign_flip(differences: Floats, resamples: int, seed: int) -> float:
    changed = differences[np.abs(differences) > _ROUNDING]
    if len(changed) == 0:
        return 1.0
    total = changed.sum()
    # Sums of the same numbers in another order differ in the last bits; they are ties all the same.
    threshold = abs(total) - 1e-9 * np.abs(changed).sum()
    if len(changed) < 63 and 2 ** len(changed) <= resamples:
        patterns = (np.arange(2 ** len(changed))[:, None] >> np.arange(len(changed))) & 1
        return float((np.abs(2 * (patterns @ changed) - total) >= threshold).mean())
    rng = np.random.default_rng([seed, 1])

    def sums(num: int) -> Floats:
        flips = rng.integers(2, size=(num, len(changed)), dtype=np.int8)
        return np.asarray(2 * (flips @ changed) - total)

    num_as_extreme = int((np.abs(_in_chunks(sums, resamples, len(changed))) >= threshold).sum())
    return (num_as_extreme + 1) / (resamples + 1)


def _in_chunks(statistic: Callable[[int], Floats], resamples: int, size: int) -> Floats:
    if resamples < 1:
        raise InputError(f"A bootstrap needs at least one resample, but resamples is {resamples}.")
    step = max(1, _CHUNK // size)
    return np.concatenate([statistic(min(step, resamples - start)) for start in range(0, resamples, step)])


def _interval(value: float, resampled: Floats) -> Interval:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(value=value, low=float(low), high=float(high))


def _paired(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    first, second = _checked(a, num_axes=1), _checked(b, num_axes=1)
    if len(first) != len(second):
        raise InputError(
            f"A paired comparison needs the same examples on both sides, but got {len(first)} and {len(second)} scores."
        )
    return first, second


def _checked(values: ArrayLike | Sequence[ArrayLike], num_axes: int) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != num_axes:
        raise InputError(f"Scores need {num_axes} axes, but their shape is {array.shape}.")
    if array.size == 0:
        raise InputError("There are no scores to average. Give at least one example.")
    if not np.isfinite(array).all():
        num_bad = int((~np.isfinite(array)).sum())
        raise InputError(f"{num_bad} of {array.size} scores are not finite numbers. Score a missing answer as 0.")
    return array


def _is_binary(scores: Floats) -> bool:
    return bool(np.isin(scores, (0.0, 1.0)).all())
