"""How often an audit finds something where there is nothing: in at most 5% of runs."""

import pytest
import scipy.stats

from tests.auditing.simulated import FAMILIES, rate

NUM_RUNS = 200


def test_a_pair_as_good_as_the_strong_model_is_seldom_found_to_harm_a_slice() -> None:
    assert rate("harmed", NUM_RUNS) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_no_part_of_an_audit_shows_what_is_not_there(family: str) -> None:
    # A rate of exactly 5% gives more than 5% of 200 runs every other time: so many more would be beyond chance.
    assert rate(family, NUM_RUNS) * NUM_RUNS <= scipy.stats.binom(NUM_RUNS, 0.05).ppf(0.999)
