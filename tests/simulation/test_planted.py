"""A simulation that finds nothing is worth nothing: faults that are planted are found within a few seeds."""

import pytest

from tests.simulation.plan import plan_of
from tests.simulation.planted import PLANTED, RARE
from tests.simulation.trial import reference_of, try_seed

AT_MOST = 60
AT_MOST_RARE = 600


@pytest.mark.parametrize("name", [name for name in PLANTED if name not in RARE])
def test_a_planted_fault_is_found(name: str) -> None:
    assert _is_found(name, AT_MOST)


@pytest.mark.slow
@pytest.mark.parametrize("name", RARE)
def test_a_planted_fault_that_shows_rarely_is_found(name: str) -> None:
    assert _is_found(name, AT_MOST_RARE)


def _is_found(name: str, at_most: int) -> bool:
    work, planted = PLANTED[name]
    seeds = [seed for seed in range(8 * at_most) if plan_of(seed).work == work][:at_most]
    for seed in seeds[:40] if work != "serve" else ():
        reference_of(plan_of(seed).world, work)
    with planted():
        return any(try_seed(seed).violation is not None for seed in seeds)
