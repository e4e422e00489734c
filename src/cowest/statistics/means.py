"""Intervals of mean scores, over groups of rows where there are any."""

import math

import numpy as np
from numpy.typing import ArrayLike

from cowest.statistics.groups import Groups, Spread, spread
from cowest.statistics.values import Floats, Interval, checked

LEVEL = 0.95


def mean_interval(values: ArrayLike, groups: Groups | None = None) -> Interval:
    """The mean of scores from 0 to 1 with its interval at 95%.

    Args:
        values: scores by example, shape [examples]. Values outside 0 to 1 get Student's interval.
        groups: what each example belongs to; see `Groups`.

    Raises:
        InputError: no value, one that is not a finite number, or another number of groups.
    """
    sample = checked(values, num_axes=1)
    if sample.min() < 0.0 or sample.max() > 1.0:
        return _students(sample, groups)
    return share_interval(sample, groups)


def share_interval(values: Floats, groups: Groups | None = None) -> Interval:
    """Wilson's interval for a mean between 0 and 1, with the number of rows that would spread a share so far.

    That number is p (1 - p) / variance: fewer than there are rows where rows of a group are alike, and more where
    scores lie between 0 and 1. Wilson's formula then has Student's quantile for the normal one (Korn and Graubard
    1998, with Wilson's interval as in Franco et al. 2019). Scores of 0 and 1 that stand alone give Wilson's own.

    Args:
        values: whose mean is the share; single ones may lie outside 0 to 1.
    """
    share = float(np.clip(values.mean(), 0.0, 1.0))
    found = spread(values, groups)
    quantile, num_effective = _effective(values, share, found)
    if not num_effective:
        return Interval(value=share, low=0.0, high=1.0)
    squared = quantile**2
    middle = (num_effective * share + squared / 2) / (num_effective + squared)
    half = quantile / (num_effective + squared) * math.sqrt(num_effective * share * (1 - share) + squared / 4)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    # At 0 and 1 the formula is exact but for rounding.
    return Interval(value=share, low=min(low, share), high=max(high, share))


def quantile_of(degrees_of_freedom: float) -> float:
    """Student's two-sided quantile at 95%."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, (1 + LEVEL) / 2))


def _effective(values: Floats, share: float, found: Spread) -> tuple[float, float]:
    """The quantile, and the effective number of rows; 0 where nothing is known."""
    from scipy.special import ndtri

    if found.num_groups == len(values) and np.isin(values, (0.0, 1.0)).all():
        return float(ndtri((1 + LEVEL) / 2)), len(values)
    if math.isnan(found.variance):
        return 0.0, 0.0
    quantile = quantile_of(found.degrees_of_freedom)
    if np.ptp(values) == 0.0:  # nothing says that rows of a group are not copies of each other
        return quantile, found.num_groups
    if found.variance == 0.0 or share in (0.0, 1.0):
        return quantile, len(values)
    return quantile, max(1.0, share * (1 - share) / found.variance)


def _students(values: Floats, groups: Groups | None) -> Interval:
    found = spread(values, groups)
    half = quantile_of(found.degrees_of_freedom) * math.sqrt(found.variance) if found.variance > 0 else 0.0
    mean = float(values.mean())
    return Interval(value=mean, low=mean - half, high=mean + half)
