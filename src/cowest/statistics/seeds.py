"""Several training seeds on the same rows: the variance that they add, and Student's quantile for the sum."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cowest.errors import InputError
from cowest.statistics.groups import Groups, spread
from cowest.statistics.values import Floats, checked


class SeedSpread(NamedTuple):
    """What other training seeds would change.

    Attributes:
        variance: of the mean over so many seeds, beyond that over groups; 0 for one seed, which does not show it.
        of_means: the variance of the mean over so many seeds on these rows, as their means show it.
        num_seeds: with which the same rows were measured.
    """

    variance: float = 0.0
    of_means: float = 0.0
    num_seeds: int = 1


ONE_SEED = SeedSpread()


def mean_over_seeds(
    values_by_seed: ArrayLike | Sequence[ArrayLike], groups: Groups | None
) -> tuple[Floats, SeedSpread]:
    """The mean of each row over the seeds, and what other seeds would change.

    Rows and seeds are crossed: every seed answers the same rows. The variance between the seeds' means holds that of
    the seeds and, a second time, that of what single seeds get right in single groups, which the spread of the rows'
    means holds already; it is taken off (Cameron, Gelbach and Miller 2011).

    Args:
        values_by_seed: scores (or paired differences), shape [seeds, examples], a column for each example.
        groups: what each example belongs to; see `Groups`.

    Raises:
        InputError: not two axes, no value, one that is not a finite number, or another number of groups.
    """
    sample = checked(values_by_seed, num_axes=2)
    num_seeds = len(sample)
    rows: Floats = sample.mean(axis=0)
    if num_seeds == 1:
        return rows, ONE_SEED
    means = sample.mean(axis=1)
    between = float(means.var(ddof=1)) / num_seeds
    residuals = sample - rows - (means - means.mean())[:, None]
    within = [spread(residual, groups).variance for residual in residuals]
    twice = 0.0 if math.isnan(sum(within)) else float(np.mean(within)) / (num_seeds - 1)
    return rows, SeedSpread(max(0.0, between - twice), between, num_seeds)


def quantile(tail: float, variance: float, degrees_of_freedom: float, seeds: SeedSpread = ONE_SEED) -> float:
    """Student's quantile for a mean whose variance is the sum of one over groups and one over seeds.

    Each has a quantile of its own, the seeds' with one less degree of freedom than their number, and the mean of the
    two is weighted by the variances (Cochran and Cox 1957). With two seeds that differ it is up to 12.7, which is what
    two seeds say. Satterthwaite's approximation covers 87% there.

    Args:
        tail: the probability above it, e.g. .025.
        variance, degrees_of_freedom: over groups.
    """
    from scipy.special import stdtrit

    over_groups = -float(stdtrit(degrees_of_freedom, tail))
    if seeds.of_means <= 0.0:
        return over_groups
    over_seeds = -float(stdtrit(seeds.num_seeds - 1, tail))
    total = variance + seeds.variance
    # Seeds that make up for each other on every row leave no spread to weight by, though they differ.
    weight = min(1.0, seeds.of_means / total) if total > 0.0 else 1.0
    return (1 - weight) * over_groups + weight * over_seeds


def p_value(statistic: float, variance: float, degrees_of_freedom: float, seeds: SeedSpread = ONE_SEED) -> float:
    """The two-sided p-value whose `quantile` the statistic is: at most .05 where the 95% interval excludes 0."""
    from scipy.special import stdtr

    if seeds.of_means <= 0.0:
        return float(2 * stdtr(degrees_of_freedom, -abs(statistic)))
    low, high = 0.0, 0.5  # the tail of one side; the quantile falls as it grows
    for _ in range(60):
        tail = (low + high) / 2
        if quantile(tail, variance, degrees_of_freedom, seeds) > abs(statistic):
            low = tail
        else:
            high = tail
    return min(1.0, 2 * high)


def require_equal_seeds(a: Floats, b: Floats) -> None:
    """Checks that two rows were measured with as many seeds, or one of them with one.

    Raises:
        InputError: both have several seeds, and not as many.
    """
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        raise InputError(
            f"A paired comparison needs the same seeds on both sides, or one side that does not depend on them, but "
            f"got {len(a)} and {len(b)}."
        )
