"""Numbers with their uncertainty, as every file of a run holds them."""

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
        """The estimate of an interval."""
        return cls(value=interval.value, ci95=(interval.low, interval.high))


class DifferenceEstimate(Estimate):
    """A difference of two means on the same examples, with its 95% interval and p-value."""

    p_value: float | None = None


class Difference(Part):
    """The same under the name that comparisons have for it."""

    difference: FiniteFloat
    ci95: Bounds | None = None
    p_value: float | None = None

    @classmethod
    def of(cls, found: statistics.Difference) -> Self:
        """What a paired comparison found."""
        return cls(difference=found.difference, ci95=(found.low, found.high), p_value=found.p_value)
