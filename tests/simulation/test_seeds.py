"""The first seeds of the simulation: whatever they decide, every invariant holds."""

import pytest

from tests.simulation.plan import plan_of
from tests.simulation.trial import try_plan, try_seed

SEEDS, AT_ONCE = 200, 20


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_every_invariant_holds(first: int) -> None:
    for seed in range(first, first + AT_ONCE):
        outcome = try_seed(seed)
        assert outcome.violation is None, f"seed {seed}, see python -m tests.simulation --seed {seed} --trace"


def test_the_seeds_meet_everything() -> None:
    plans = [plan_of(seed) for seed in range(SEEDS)]
    assert {plan.work for plan in plans} == {"feedback", "evaluate", "serve"}
    assert {kill.kind for plan in plans for kill in plan.kills} == {"wake", "ledger", "file", "interrupt"}
    assert {plan.budget for plan in plans} == {"none", "ample", "tight"}


def test_a_seed_decides_everything() -> None:
    seed = next(seed for seed in range(SEEDS) if plan_of(seed).work == "feedback" and len(plan_of(seed).kills) == 3)
    first, again = (try_plan(plan_of(seed), None) for _ in range(2))
    assert (first.trace, first.ends, first.files) == (again.trace, again.ends, again.files)
    assert "killed" in first.ends
