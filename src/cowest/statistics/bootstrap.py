"""Bootstrap intervals of means over examples, and over seeds and examples."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cowest.errors import InputError
from cowest.types import Record

Floats = NDArray[np.float64]

RESAMPLES = 10_000

_CHUNK = 2_000_000
"""Numbers held at once, 16 MB."""


class Interval(Record):
    """A value with its 95% interval."""

    value: float
    low: float
    high: float


def mean_interval(values: ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The mean of scores from 0 to 1 (shape [examples]) with its percentile bootstrap interval at 95%.

    For scores that are all the same the package's first lines describe the interval.

    Raises:
        InputError: no value, or one that is not a finite number.
    """
    return bounded_mean_interval(checked(values, num_axes=1), resamples, seed, bounds=(0.0, 1.0))


def two_level_interval(
    values_by_seed: ArrayLike | Sequence[ArrayLike],
    resamples: int = RESAMPLES,
    seed: int = 0,
    clusters: Sequence[str] | None = None,
) -> Interval:
    """The mean over seeds and queries, with an interval that covers both other seeds and other queries.

    Each resample draws seeds and, independently, queries; all its seeds share the one draw of queries, because the
    seeds of a study answer the same test set. With two or three seeds the interval is too narrow rather than too wide.
    For values that are all the same it is a single point, which says nothing.

    Args:
        values_by_seed: scores (or paired differences), shape [seeds, queries].
        clusters: what each query is about, shape [queries]; whole clusters are then drawn instead of queries, since
            two questions about the same thing are not independent.

    Raises:
        InputError: not two axes, no value, one that is not a finite number, or a wrong number of clusters.
    """
    sample = checked(values_by_seed, num_axes=2)
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

    return _interval(float(sample.mean()), in_chunks(means, resamples, len(sizes)))


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

    An interval above 0 says that alignment is specific to one strong model.

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
    return bounded_mean_interval(checked(contrast, num_axes=1), resamples, seed, bounds=(-2.0, 2.0))


def bounded_mean_interval(sample: Floats, resamples: int, seed: int, bounds: tuple[float, float]) -> Interval:
    """The mean with its bootstrap interval.

    Args:
        sample: as `checked` returns it, shape [examples].
        bounds: the range that the value of an unseen example lies in.
    """
    rng = np.random.default_rng(seed)

    def means(num: int) -> Floats:
        drawn = sample[rng.integers(len(sample), size=(num, len(sample)), dtype=np.int32)]
        return np.asarray(drawn.mean(axis=1))

    interval = _interval(float(sample.mean()), in_chunks(means, resamples, len(sample)))
    lowest, highest = bounds
    if sample.min() < sample.max() or not lowest <= sample[0] <= highest:
        return interval
    from scipy.stats import binomtest

    unseen = float(binomtest(0, len(sample)).proportion_ci(method="wilson").high)
    low, high = ((1 - unseen) * sample[0] + unseen * bound for bound in bounds)
    return Interval(value=float(sample[0]), low=float(low), high=float(high))


def in_chunks(statistic: Callable[[int], Floats], resamples: int, size: int) -> Floats:
    """Draws a statistic in chunks that fit into memory.

    Args:
        statistic: from a number of resamples to that many values.
        size: numbers that one resample holds.

    Raises:
        InputError: `resamples` is below 1.
    """
    if resamples < 1:
        raise InputError(f"A bootstrap needs at least one resample, but resamples is {resamples}.")
    step = max(1, _CHUNK // size)
    return np.concatenate([statistic(min(step, resamples - start)) for start in range(0, resamples, step)])


def _interval(value: float, resampled: Floats) -> Interval:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(value=value, low=float(low), high=float(high))


def checked(values: ArrayLike | Sequence[ArrayLike], num_axes: int) -> Floats:
    """The values as an array.

    Raises:
        InputError: another number of axes, no value, or one that is not a finite number.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != num_axes:
        raise InputError(f"Scores need {num_axes} axes, but their shape is {array.shape}.")
    if array.size == 0:
        raise InputError("There are no scores to average. Give at least one example.")
    if not np.isfinite(array).all():
        num_bad = int((~np.isfinite(array)).sum())
        raise InputError(f"{num_bad} of {array.size} scores are not finite numbers. Score a missing answer as 0.")
    return array
