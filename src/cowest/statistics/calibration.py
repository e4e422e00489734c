"""Calibration: whether confidences are the shares of what is right, over groups of rows where there are any."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cowest.errors import InputError
from cowest.statistics.groups import Groups, spread
from cowest.statistics.means import mean_interval
from cowest.statistics.paired import Difference
from cowest.statistics.values import Floats, Interval, checked


class ReliabilityBin(NamedTuple):
    """Rows of similar confidence.

    Attributes:
        low, high: the least and the largest confidence.
        confidence: the mean.
        right: the share that is right.
        difference: of that share minus the mean confidence; below 0 where the model is too sure of itself.
    """

    num_rows: int
    low: float
    high: float
    confidence: float
    right: Interval
    difference: Difference


class Reliability(NamedTuple):
    """How well confidences fit.

    Attributes:
        error: the expected calibration error (Naeini et al. 2015), over bins of equally many rows.
        error_if_calibrated: its expectation for confidences that fit exactly; it falls with the number of rows.
    """

    bins: list[ReliabilityBin]
    error: float
    error_if_calibrated: float


def reliability(
    confidences: ArrayLike, right: ArrayLike, groups: Groups | None = None, num_bins: int = 10
) -> Reliability:
    """Compares confidences with what was right.

    Args:
        confidences: probabilities, shape [rows].
        right: 1 for each row that is right, else 0; shape [rows].
        groups: what each row belongs to; see `Groups`.
        num_bins: at most; rows of equal confidence are in one bin.

    Raises:
        InputError: the two differ in length, hold nothing, or hold a value that is not a finite number.
    """
    sure, scores = checked(confidences, num_axes=1), checked(right, num_axes=1)
    if len(sure) != len(scores):
        raise InputError(f"There are {len(sure)} confidences but {len(scores)} scores. Give one for each row.")
    numbers = quantile_bins(sure, num_bins)
    bins, error, expected = [], 0.0, 0.0
    for number in range(int(numbers.max()) + 1):
        chosen = numbers == number
        inner = None if groups is None else [group for group, taken in zip(groups, chosen, strict=True) if taken]
        found, standard_error = _bin(sure[chosen], scores[chosen], inner)
        weight = found.num_rows / len(sure)
        bins.append(found)
        error += weight * abs(found.difference.difference)
        expected += weight * math.sqrt(2 / math.pi) * standard_error  # the mean of |x| for a normal x around 0
    return Reliability(bins, error, expected)


def quantile_bins(values: Floats, num_bins: int) -> NDArray[np.intp]:
    """The bin of each value, from 0 on, where bins hold about equally many; equal values are in one bin."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle_ranks = np.cumsum(counts) - counts / 2
    numbers = np.floor(num_bins * middle_ranks / len(values))[which.reshape(-1)]
    return np.unique(numbers, return_inverse=True)[1].reshape(-1)


def ranked_right(confidences: ArrayLike, right: ArrayLike) -> float | None:
    """The chance that a row that is right has more confidence than one that is wrong (the area under the ROC curve).

    A tie counts half. None where all rows are right, or none is.
    """
    from scipy.stats import rankdata

    sure, scores = checked(confidences, num_axes=1), checked(right, num_axes=1)
    num_right = int(scores.sum())
    if num_right in (0, len(scores)):
        return None
    over = float(rankdata(sure)[scores == 1.0].sum()) - num_right * (num_right + 1) / 2
    return over / (num_right * (len(scores) - num_right))


def _bin(sure: Floats, scores: Floats, groups: Sequence[str | None] | None) -> tuple[ReliabilityBin, float]:
    """A bin, and the standard error of its share of right rows if the confidences fit."""
    mean, share = float(sure.mean()), mean_interval(scores, groups)
    variance_if_fit = float((sure * (1 - sure)).sum()) / len(sure) ** 2
    num_rows = _num_independent(scores - sure, groups)
    found = ReliabilityBin(
        num_rows=len(sure),
        low=float(sure.min()),
        high=float(sure.max()),
        confidence=mean,
        right=share,
        difference=Difference(
            difference=share.value - mean,
            low=share.low - mean,
            high=share.high - mean,
            p_value=_p_value(share.value, mean, num_rows),
        ),
    )
    return found, math.sqrt(variance_if_fit * len(sure) / num_rows)


def _num_independent(residuals: Floats, groups: Groups | None) -> float:
    """How many independent rows would spread the mean as far as the groups do; never more than there are."""
    found, num = spread(residuals, groups), len(residuals)
    if found.num_groups == num:
        return num
    # Rows of a group may be copies of each other, and where all groups have one mean nothing says how far it spreads.
    if math.isnan(found.variance) or np.ptp(residuals) == 0.0 or found.variance == 0.0:
        return found.num_groups
    return min(num, max(1.0, float(residuals.var()) / found.variance))


def _p_value(share: float, expected: float, num_rows: float) -> float:
    """Two-sided, of a share of independent rows if each is right with the expected probability.

    The test is the binomial one, twice its smaller tail. Confidences of a bin that differ make the share vary less, so
    that it is right too rarely rather than too often. The tails are written with the beta distribution, which takes a
    number of rows that is no integer (Korn and Graubard 1998).
    """
    from scipy.special import betainc

    count = share * num_rows
    at_least = 1.0 if count <= 0 else float(betainc(count, num_rows - count + 1, expected))
    at_most = 1.0 if count >= num_rows else float(betainc(num_rows - count, count + 1, 1 - expected))
    return min(1.0, 2 * min(at_least, at_most))
