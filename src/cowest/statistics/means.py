"""Intervals of mean scores, over groups of rows where there are any."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from cowest.statistics.groups import ROUNDING, Groups, Spread, spread
from cowest.statistics.seeds import ONE_SEED, SeedSpread, mean_over_seeds, quantile
from cowest.statistics.values import Floats, Interval, checked

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
"""What an interval leaves out on either side."""


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


def mean_interval_over_seeds(values_by_seed: ArrayLike | Sequence[ArrayLike], groups: Groups | None = None) -> Interval:
    """The mean over seeds and examples, with an interval that covers other seeds and other examples (or groups).

    Args:
        values_by_seed: scores from 0 to 1, or values whose mean is such a share; shape [seeds, examples].
        groups: what each example belongs to; see `Groups`.

    Raises:
        InputError: not two axes, no value, one that is not a finite number, or another number of groups.
    """
    rows, seeds = mean_over_seeds(values_by_seed, groups)
    return share_interval(rows, groups, seeds)


def share_interval(values: Floats, groups: Groups | None = None, seeds: SeedSpread = ONE_SEED) -> Interval:
    """Wilson's interval for a mean between 0 and 1, with the number of rows that would spread a share so far.

    That number is p (1 - p) / variance: fewer than there are rows where rows of a group are alike, and more where
    scores lie between 0 and 1. Wilson's formula then has Student's quantile for the normal one (Korn and Graubard
    1998, with Wilson's interval as in Franco et al. 2019). Scores of 0 and 1 that stand alone give Wilson's own.

    Args:
        values: whose mean is the share; single ones may lie outside 0 to 1. With several seeds, each row's mean.
        seeds: what other training seeds would change.
    """
    share = float(np.clip(values.mean(), 0.0, 1.0))
    found = spread(values, groups)
    reach, num_effective = _effective(values, share, found, seeds)
    if not num_effective:
        return Interval(value=share, low=0.0, high=1.0)
    squared = reach**2
    middle = (num_effective * share + squared / 2) / (num_effective + squared)
    half = reach / (num_effective + squared) * math.sqrt(num_effective * share * (1 - share) + squared / 4)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    # At 0 and 1 the formula is exact but for rounding.
    return Interval(value=share, low=min(low, share), high=max(high, share))


def _effective(values: Floats, share: float, found: Spread, seeds: SeedSpread) -> tuple[float, float]:
    """The quantile, and the effective number of rows; 0 where nothing is known."""
    from scipy.special import ndtri

    if found.num_groups == len(values) and np.isin(values, (0.0, 1.0)).all() and seeds.of_means <= 0.0:
        return -float(ndtri(TAIL)), len(values)
    if math.isnan(found.variance):
        return 0.0, 0.0
    reach = quantile(TAIL, found.variance, found.degrees_of_freedom, seeds)
    if np.ptp(values) == 0.0 and seeds.of_means <= 0.0:  # rows of a group may be copies of each other
        return reach, found.num_groups
    variance = found.variance + seeds.variance
    if variance <= ROUNDING or share in (0.0, 1.0):
        return reach, found.num_groups
    return reach, max(1.0, share * (1 - share) / variance)


def _students(values: Floats, groups: Groups | None) -> Interval:
    found = spread(values, groups)
    reach = quantile(TAIL, found.variance, found.degrees_of_freedom)
    half = reach * math.sqrt(found.variance) if found.variance > 0 else 0.0
    mean = float(values.mean())
    return Interval(value=mean, low=mean - half, high=mean + half)
