"""How often an audit shows something where there is nothing: at most 5% of runs in each family of tests."""

import pytest

from tests.auditing.simulated import FAMILIES, rate

NUM_RUNS = 200


def test_slices_of_a_pair_as_good_as_the_strong_model_seldom_show_a_difference() -> None:
    assert rate("slices", NUM_RUNS) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "slices"])
def test_no_other_part_of_an_audit_shows_what_is_not_there(family: str) -> None:
    assert rate(family, NUM_RUNS) <= 0.05
