"""Two methods on the same examples: their difference with interval and test, and how often one helps or harms."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cowest.errors import InputError
from cowest.statistics.groups import Groups, spread
from cowest.statistics.means import TAIL
from cowest.statistics.power import POWER, smallest_difference
from cowest.statistics.seeds import ONE_SEED, SeedSpread, mean_over_seeds, p_value, quantile, require_equal_seeds
from cowest.statistics.values import Floats, checked
from cowest.types import Record

ALPHA = 0.05

Verdict = Literal["better", "worse", "no difference shown"]
BETTER: Verdict = "better"
WORSE: Verdict = "worse"
NOT_SHOWN: Verdict = "no difference shown"

_ROUNDING = 1e-12
"""Differences this small are 0; they come from the order of a sum."""


class Difference(Record):
    """A difference of two means with its 95% interval and a two-sided p-value, which are of one test.

    The interval excludes 0 exactly where the p-value is at most .05.

    Attributes:
        smallest: the difference that these examples would show with a power of 80%; None where they can show none.
    """

    difference: float
    low: float
    high: float
    p_value: float
    smallest: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the first of the two is better, worse, or neither was shown."""
        return verdict(self.low, self.high, self.p_value)


class HelpAndHarm(NamedTuple):
    """How often the pair changes whether the answer is right, against the model alone; shares of all examples.

    The help rate minus the harm rate is the difference of the two accuracies.
    """

    help_rate: float
    harm_rate: float


def verdict(low: float, high: float, p_value: float | None) -> Verdict:
    """The one rule of "better": the interval lies above 0, and the p-value, where there is one, is at most .05."""
    if p_value is not None and p_value > ALPHA:
        return NOT_SHOWN
    return BETTER if low > 0 else WORSE if high < 0 else NOT_SHOWN


def paired_difference(a: ArrayLike, b: ArrayLike, groups: Groups | None = None) -> Difference:
    """mean(a) - mean(b) over the same examples, with its interval at 95% and p-value, as `difference_of` finds them.

    Args:
        a, b: scores by example, shape [examples], in the same order.
        groups: what each example belongs to; see `Groups`.

    Raises:
        InputError: the two differ in length, hold nothing, or hold a value that is not a finite number, or there is
            another number of groups.
    """
    first, second = _paired(a, b)
    return difference_of(first - second, groups)


def paired_difference_over_seeds(
    a: ArrayLike | Sequence[ArrayLike], b: ArrayLike | Sequence[ArrayLike], groups: Groups | None = None
) -> Difference:
    """`paired_difference` of rows that were measured with several training seeds; it covers other seeds too.

    Seeds are paired as examples are: the difference is taken within each. A row that no seed changes has one, and is
    compared with every seed of the other.

    Args:
        a, b: scores, shape [seeds, examples], with the same examples in the same order.
        groups: what each example belongs to; see `Groups`.

    Raises:
        InputError: the two differ in examples, or in seeds where both have several; or as `paired_difference`.
    """
    first, second = checked(a, num_axes=2), checked(b, num_axes=2)
    _refuse_unequal(first.shape[1], second.shape[1])
    require_equal_seeds(first, second)
    differences, seeds = mean_over_seeds(first - second, groups)
    return difference_of(differences, groups, seeds)


def difference_of(differences: Floats, groups: Groups | None = None, seeds: SeedSpread = ONE_SEED) -> Difference:
    """The mean of differences with its interval at 95% and two-sided p-value, both of one statistic.

    Two halves of a row are added, one for each side, as Bonett and Price (2012) add a row for each; the mean is then
    divided by its standard error and compared with Student's distribution. For scores of 0 and 1 the p-values are
    close to those of McNemar's mid-p test, which Fagerland et al. (2013) recommend: with 20 examples 4 against 0 are
    no difference shown, and 5 against 0 are. Where rows belong together, the examples count as the number of
    independent ones that would spread the mean as far as the groups do.

    Args:
        differences: by example; their mean is the difference. With several seeds, each example's mean.
        groups: what each example belongs to; see `Groups`.
        seeds: what other training seeds would change; its variance is added to the squared error.
    """
    values = np.where(np.abs(differences) > _ROUNDING, differences, 0.0)
    mean, square = float(values.mean()), float((values**2).mean())
    found = spread(values, groups)
    if math.isnan(found.variance):
        return Difference(difference=mean, low=-1.0, high=1.0, p_value=1.0)
    num = _num_independent(values, found.variance, found.num_groups)
    share_changed = float((values != 0.0).mean())
    # The size of a difference where there is one: 1 for scores of 0 and 1.
    size_squared = square / share_changed if share_changed else 1.0
    middle = num * mean / (num + 1)
    squared_error = ((num * square + size_squared) / (num + 1) - middle**2) / (num + 1)
    error = math.sqrt(squared_error + seeds.variance)
    spreads = squared_error, found.degrees_of_freedom, seeds
    reach = quantile(TAIL, *spreads) * error
    if seeds.of_means <= 0.0:
        smallest = smallest_difference(len(values), min(1.0, square), design_effect=len(values) / num)
    else:
        to_show = reach + quantile(1 - POWER, *spreads) * error
        smallest = to_show if to_show <= 1.0 else None
    return Difference(
        difference=mean,
        low=max(-1.0, middle - reach) if mean >= -1.0 else middle - reach,
        high=min(1.0, middle + reach) if mean <= 1.0 else middle + reach,
        p_value=p_value(middle / error, *spreads),
        smallest=smallest,
    )


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


def _num_independent(values: Floats, variance: float, num_groups: int) -> float:
    """How many independent rows with the spread of these would spread the mean as far as the groups do."""
    num = len(values)
    if num_groups == num:
        return num
    # Nothing says that rows of a group are not copies of each other, or how far the means of groups spread.
    if np.ptp(values) == 0.0 or variance == 0.0:
        return num_groups
    return max(1.0, float(values.var()) / variance)


def _paired(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    first, second = checked(a, num_axes=1), checked(b, num_axes=1)
    _refuse_unequal(len(first), len(second))
    return first, second


def _refuse_unequal(num_first: int, num_second: int) -> None:
    if num_first != num_second:
        raise InputError(
            f"A paired comparison needs the same examples on both sides, but got {num_first} and {num_second} scores."
        )
