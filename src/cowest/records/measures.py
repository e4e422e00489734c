"""Numbers with their uncertainty, as the files of a run hold them."""

from typing import Self

from pydantic import FiniteFloat

from cowest import statistics
from cowest.records.base import Part

Bounds = tuple[FiniteFloat, FiniteFloat]


class Estimate(Part):
    """A mean with its 95% interval; None where none was computed."""

    value: FiniteFloat
    ci95: Bounds | None = None

    @classmethod
    def of(cls, interval: statistics.Interval) -> Self:
        """The estimate with this interval."""
        return cls(value=interval.value, ci95=(interval.low, interval.high))


class DifferenceEstimate(Estimate):
    """A difference of two means on the same examples, with its 95% interval and p-value."""

    p_value: float | None = None


class Difference(Part):
    """A difference of two means, under the field name that comparisons use."""

    difference: FiniteFloat
    ci95: Bounds | None = None
    p_value: float | None = None

    @classmethod
    def of(cls, difference: statistics.Difference) -> Self:
        """The result of a paired comparison."""
        return cls(difference=difference.difference, ci95=(difference.low, difference.high), p_value=difference.p_value)
