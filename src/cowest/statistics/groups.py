"""How far a mean is spread where rows belong together: its variance over groups, and how well that is known."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cowest.errors import InputError
from cowest.statistics.values import Floats

ROUNDING = 1e-24
"""Variances this small are 0; they come from the order of a sum."""

Groups = Sequence[str | None]
"""By row, what it belongs to; a row with None stands alone."""


class Spread(NamedTuple):
    """How far a mean is spread.

    Attributes:
        variance: of the mean, over groups; NaN where one group holds every row, which says nothing of the others.
        degrees_of_freedom: of Student's distribution of the mean over its standard error.
        num_groups: as many as rows where each stands alone.
    """

    variance: float
    degrees_of_freedom: float
    num_groups: int


def count_groups(groups: Groups) -> int | None:
    """How many groups there are, rows that stand alone among them; None where no row belongs to any."""
    named = {group for group in groups if group is not None}
    return len(named) + sum(group is None for group in groups) if named else None


def spread(values: Floats, groups: Groups | None) -> Spread:
    """The spread of the mean of `values`, whose groups are independent of each other.

    The variance is the cluster-robust one that is unbiased for independent rows (CR2), and the degrees of freedom are
    Bell and McCaffrey's (2002); rows that stand alone give the usual variance and one less than their number. Groups
    of which few decide the sum say less about its variance, so where there are any the degrees of freedom fall with
    the kurtosis of the groups' sums (Satterthwaite's approximation), and rise by half at most.

    Raises:
        InputError: another number of groups than of rows.
    """
    which = group_numbers(groups, len(values))
    num, mean = len(values), values.mean()
    if which is None:
        variance = float(((values - mean) ** 2).sum() / (num - 1) / num) if num > 1 else np.nan
        return Spread(variance, max(1, num - 1), num)
    sizes = np.bincount(which).astype(np.float64)
    if len(sizes) == 1:
        return Spread(np.nan, 1, 1)
    sums: Floats = np.bincount(which, weights=values - mean).astype(np.float64)
    weights = 1 / (1 - sizes / num)
    variance = float((weights * sums**2).sum() / num**2)
    if variance <= ROUNDING:  # all groups have the same mean
        variance = 0.0
    squares = weights * sizes**2
    degrees = num**2 / ((sizes**2).sum() + (squares.sum() ** 2 - (squares**2).sum()) / num**2)
    return Spread(variance, float(degrees) * _for_kurtosis(sums), len(sizes))


def group_numbers(groups: Groups | None, num_rows: int) -> NDArray[np.intp] | None:
    """The group of each row as a number from 0; None where every row stands alone.

    Raises:
        InputError: another number of groups than of rows.
    """
    if groups is None:
        return None
    if len(groups) != num_rows:
        raise InputError(f"There are {num_rows} rows but {len(groups)} groups. Give one for each row, or None.")
    keys = [(row, "") if group is None else (-1, group) for row, group in enumerate(groups)]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return None if len(numbers) == num_rows else np.array([numbers[key] for key in keys])


def _for_kurtosis(sums: Floats) -> float:
    """What the degrees of freedom are multiplied by: 1 for sums with a normal distribution's kurtosis of 3."""
    squared = float((sums**2).mean())
    if squared <= 0.0:
        return 1.0
    num = len(sums)
    kurtosis = float((sums**4).mean()) / squared**2 * (num + 1) / (num - 1)
    return min(1.5, 2 / (kurtosis - 1)) if kurtosis > 1 else 1.5
