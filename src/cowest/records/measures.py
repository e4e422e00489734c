"""Numbers with their uncertainty, as every file of a run holds them."""

from typing import Self

from pydantic import FiniteFloat, computed_field

from cowest import statistics
from cowest.records.base import Part, only_where_known

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
    """The same under the name that comparisons have for it.

    Attributes:
        smallest_difference: what these examples would show with a power of 80%; None where that is not known, or where
            they can show nothing.
    """

    difference: FiniteFloat
    ci95: Bounds | None = None
    p_value: float | None = None
    smallest_difference: float | None = only_where_known()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> statistics.Verdict:
        """Better, worse, or no difference shown; by `cowest.statistics.verdict`, whatever a file says."""
        return statistics.verdict(*(self.ci95 or (0.0, 0.0)), self.p_value)

    @classmethod
    def of(cls, found: statistics.Difference) -> Self:
        """What a paired comparison found."""
        return cls(
            difference=found.difference,
            ci95=(found.low, found.high),
            p_value=found.p_value,
            smallest_difference=found.smallest,
        )
