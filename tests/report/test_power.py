"""What a report says of how much the examples can show."""

from cowest.report.power import measured_on, power_sentence
from tests.report.sample import comparison, results


def test_the_smallest_difference_stands_beside_the_examples_and_groups() -> None:
    one, other = (
        comparison(name, 0.1, (-0.1, 0.3)).model_copy(update={"smallest_difference": smallest})
        for name, smallest in (("weak_only", 0.052), ("strong_only", 0.081))
    )
    found = power_sentence(results(comparisons=[one, other], num_groups=40))
    assert found is not None
    assert "400 examples in 40 groups" in found
    assert "5.2 to 8.1 points" in found
    assert "80%" in found
    assert measured_on(results()) == "400 examples"


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert power_sentence(results(comparisons=[comparison("weak_only", 0.1, (-0.1, 0.3))])) is None
    other_metric = comparison("weak_only", 0.1, (-0.1, 0.3)).model_copy(
        update={"smallest_difference": 0.1, "metric": "f1"}
    )
    assert power_sentence(results(comparisons=[other_metric])) is None
