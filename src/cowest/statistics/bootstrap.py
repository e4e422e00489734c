"""Bootstrap intervals of means over seeds and queries."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from cowest.errors import InputError
from cowest.statistics.paired import difference_of
from cowest.statistics.values import Floats, Interval, checked

RESAMPLES = 10_000

_CHUNK = 2_000_000
"""Numbers held at once, 16 MB."""


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
    half = difference_of(checked(contrast, num_axes=1) / 2)
    return Interval(value=2 * half.difference, low=2 * half.low, high=2 * half.high)


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
