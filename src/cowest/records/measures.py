"""Numbers with their uncertainty, as the files of a run hold them."""

from typing import Self

from pydantic import FiniteFloat, computed_field

from cowest import statistics
from cowest.records.base import Part, omitted_if_none

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
    """A difference of two means, under the field name that comparisons use.

    Attributes:
        smallest_difference: that these examples would show with a power of 80%; None if unknown, or if they can show
            none.
    """

    difference: FiniteFloat
    ci95: Bounds | None = None
    p_value: float | None = None
    smallest_difference: float | None = omitted_if_none()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> statistics.Verdict:
        """Better, worse, or no difference shown; by `cowest.statistics.verdict`, whatever a file says."""
        return statistics.verdict(*(self.ci95 or (0.0, 0.0)), self.p_value)

    @classmethod
    def of(cls, difference: statistics.Difference) -> Self:
        """The result of a paired comparison."""
        return cls(
            difference=difference.difference,
            ci95=(difference.low, difference.high),
            p_value=difference.p_value,
            smallest_difference=difference.smallest,
        )
