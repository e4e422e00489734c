"""Estimates and differences are made of what statistics finds."""

from cowest import statistics
from cowest.records import Difference, Estimate
from cowest.records.measures import DifferenceEstimate


def test_an_estimate_has_the_interval() -> None:
    interval = statistics.Interval(value=0.5, low=0.4, high=0.7)
    assert Estimate.of(interval).model_dump(mode="json") == {"value": 0.5, "ci95": [0.4, 0.7]}
    assert isinstance(DifferenceEstimate.of(interval), DifferenceEstimate)
    assert Estimate(value=0.5).model_dump(mode="json") == {"value": 0.5, "ci95": None}


def test_a_difference_has_the_interval_and_p() -> None:
    found = Difference.of(statistics.paired_difference([1.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]))
    assert found.difference == 0.5
    assert found.ci95 is not None
    assert found.ci95[0] <= 0.5 <= found.ci95[1]
    assert found.p_value is not None
