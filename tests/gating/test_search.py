"""The search: the policy that it chooses is feasible, and no other of the family is better."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowest.errors import InputError
from cowest.gating import ARMS, Arm, Family, Outcomes, Policy, Target, choose, cross_validated, search
from cowest.gating.search import MAX_CUTS, select_arms


def outcomes(rows: Sequence[tuple[float | None, Sequence[float], Sequence[float]]]) -> Outcomes:
    sure, scores, costs = zip(*rows, strict=True)
    return Outcomes(
        np.array([np.nan if each is None else each for each in sure]), np.array(scores, float), np.array(costs, float)
    )


def tried(policy: Policy, on: Outcomes) -> tuple[float, float]:
    """Accuracy and cost of a policy, example by example."""
    arms = on.arms_by(policy)
    return float(select_arms(on.scores, arms).mean()), float(select_arms(on.costs, arms).mean())


def every_policy(on: Outcomes, arms: Sequence[Arm]) -> Iterator[Policy]:
    """The family, spelt out without any of the search's arithmetic."""
    values = sorted({float(each) for each in on.confidence if not np.isnan(each)})
    places = [(low + high) / 2 for low, high in itertools.pairwise(values)]
    for number in range(1, len(arms) + 1):
        for order in itertools.permutations(arms, number):
            for cuts in itertools.combinations(places, number - 1):
                yield Policy(cuts=cuts, arms=order)


scores = st.lists(st.sampled_from([0.0, 1.0, 0.4]), min_size=3, max_size=3)
costs = st.lists(st.sampled_from([0.0, 1.0, 2.0, 0.1]), min_size=3, max_size=3)
sure = st.one_of(st.none(), st.sampled_from([0.1, 0.25, 0.5, 0.7, 0.9]))
examples = st.lists(st.tuples(sure, scores, costs), min_size=1, max_size=9).map(outcomes)
some_arms = st.sampled_from([ARMS, ("strong", "both")])


@settings(deadline=None, max_examples=150)
@given(on=examples, arms=some_arms, aim=st.one_of(st.none(), st.floats(0.01, 1)))
def test_the_cheapest_policy_that_is_accurate_enough_is_chosen(on: Outcomes, arms: Sequence[Arm], aim: float) -> None:
    family = [tried(policy, on) for policy in every_policy(on, arms)]
    needed = tried(Policy(), on)[0] if aim is None else aim
    feasible = [(cost, -accuracy) for accuracy, cost in family if accuracy >= needed - 1e-9]
    policy, met = choose(on, Target(min_accuracy=aim), arms)
    assert met is bool(feasible)
    assert met or policy == Policy()
    if met:
        accuracy, cost = tried(policy, on)
        assert accuracy >= needed - 1e-9
        assert (cost, -accuracy) == pytest.approx(min((round(a, 9), round(b, 9)) for a, b in feasible))
    assert set(policy.arms) <= {*arms, "both"}


@settings(deadline=None, max_examples=150)
@given(on=examples, arms=some_arms, limit=st.floats(0, 2))
def test_the_most_accurate_policy_within_a_price_is_chosen(on: Outcomes, arms: Sequence[Arm], limit: float) -> None:
    family = [tried(policy, on) for policy in every_policy(on, arms)]
    feasible = [(-accuracy, cost) for accuracy, cost in family if cost <= limit + 1e-9]
    policy, met = choose(on, Target(max_cost=limit), arms)
    accuracy, cost = tried(policy, on)
    if feasible:
        assert met
        assert cost <= limit + 1e-8
        assert (-accuracy, cost) == pytest.approx(min((round(a, 9), round(b, 9)) for a, b in feasible), abs=1e-8)
    elif not met:
        assert cost == pytest.approx(min(cost for _, cost in family))


@settings(deadline=None, max_examples=60)
@given(on=examples)
def test_the_curve_rises_and_no_policy_lies_above_it(on: Outcomes) -> None:
    family = Family(on)
    curve = [tried(family.policy(index), on) for index in family.curve]
    for (accuracy, cost), index in zip(curve, family.curve, strict=True):
        assert (accuracy, cost) == pytest.approx((family.accuracy[index], family.cost[index]))
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(curve))
    for accuracy, cost in (tried(policy, on) for policy in every_policy(on, ARMS)):
        assert any(best >= accuracy - 1e-9 and price <= cost + 1e-9 for best, price in curve)


def a_world() -> Outcomes:
    """Sure drafts are right; unsure ones mislead, and between them the strong model needs the draft."""
    rows = []
    for index in range(60):
        right = [(0, 1, 0), (0, 0, 1), (1, 0, 1)][index // 20]
        rows.append((index / 60, right, (1.0, 5.0, 9.0)))
    return outcomes(rows)


def test_three_regions_are_found() -> None:
    policy, met = choose(a_world(), Target(min_accuracy=1.0))
    assert met
    assert policy.arms == ("strong", "both", "draft")
    assert policy.cuts == pytest.approx((19.5 / 60, 39.5 / 60))


def test_equal_confidences_are_not_torn_apart() -> None:
    on = outcomes([(0.5, (1, 0, 0), (0, 1, 2)), (0.5, (0, 0, 1), (0, 1, 2)), (0.9, (1, 0, 0), (0, 1, 2))])
    assert choose(on, Target(min_accuracy=1.0)) == (Policy(), False)
    policy, met = choose(on, Target(min_accuracy=2 / 3))
    assert met
    assert tried(policy, on) == (2 / 3, 0)
    assert policy == Policy(arms=("draft",))


def test_a_constant_confidence_leaves_one_arm_for_all() -> None:
    on = outcomes([(0.7, (index % 2, 0, 1), (0, 1, 2)) for index in range(6)])
    assert choose(on, Target(min_accuracy=0.9)).policy == Policy()
    assert choose(on, Target(min_accuracy=0.5)).policy == Policy(arms=("draft",))
    assert len(Family(on).curve) == 2


def test_neighbouring_floats_are_one_place() -> None:
    low, high = 0.5, np.nextafter(0.5, 1)
    on = outcomes([(low, (0, 0, 1), (0, 1, 2)), (float(high), (1, 0, 1), (0, 1, 2))])
    policy, met = choose(on, Target(min_accuracy=1.0))
    assert met
    assert tried(policy, on)[0] == 1.0


def test_without_any_confidence_both_answer() -> None:
    on = outcomes([(None, (1, 1, 0), (0, 1, 2))] * 3)
    assert choose(on, Target()) == (Policy(), True)
    assert choose(on, Target(min_accuracy=0.5)) == (Policy(), False)


def test_ties_go_to_the_simplest_policy() -> None:
    on = outcomes([(index / 10, (1, 1, 1), (0, 0, 0)) for index in range(10)])
    assert len(choose(on, Target()).policy.arms) == 1


def test_no_examples_are_refused() -> None:
    with pytest.raises(InputError, match="needs examples"):
        Outcomes(np.array([]), np.empty((0, 3)), np.empty((0, 3)))


def test_many_confidences_are_cut_at_quantiles() -> None:
    rng = np.random.default_rng(0)
    value = rng.random(5000)
    right = np.stack([value > 0.5, np.zeros(5000), np.ones(5000)], axis=1).astype(float)
    on = Outcomes(value, right, np.tile([0.0, 1.0, 2.0], (5000, 1)))
    policy, met = choose(on, Target(min_accuracy=1.0))
    assert met
    assert policy.arms == ("both", "draft")
    assert 0.5 <= policy.cuts[0] <= np.quantile(value, 0.5 + 1.5 / MAX_CUTS)


def test_cross_validation_answers_every_example_by_a_policy_that_did_not_see_it() -> None:
    rng = np.random.default_rng(1)
    noise = Outcomes(rng.random(60), rng.integers(0, 2, (60, 3)).astype(float), np.tile([0.0, 1.0, 2.0], (60, 1)))
    best = Target(max_cost=2.0)
    fitted = tried(choose(noise, best).policy, noise)[0]
    (arms,) = cross_validated(noise, [best])
    assert len(arms) == 60
    held_out = float(select_arms(noise.scores, arms).mean())
    assert held_out < fitted  # confidence says nothing here, and only what is fitted pretends that it does
    assert cross_validated(noise, [best])[0] == arms
    assert [tuple(each) for each in cross_validated(a_world(), [best, Target(max_cost=1.0)])][1] == ("draft",) * 60


def test_cross_validation_does_not_look_at_the_part_it_answers() -> None:
    world = a_world()
    (arms,) = cross_validated(world, [Target(min_accuracy=1.0)], folds=60)
    changed = world.scores.copy()
    changed[30] = 1 - changed[30]  # its own outcome must not move who answers it
    (again,) = cross_validated(Outcomes(world.confidence, changed, world.costs), [Target(min_accuracy=1.0)], folds=60)
    assert again[30] == arms[30]


def test_no_part_has_a_group_in_common_with_what_it_is_answered_by() -> None:
    groups = [None if index % 7 == 0 else f"table {index // 6}" for index in range(60)]
    parts = search._parts(60, groups, 5, seed=0)
    assert sorted(np.concatenate(parts)) == list(range(60))
    held = [{groups[index] for index in part} - {None} for part in parts]
    assert len(parts) == 5
    assert not any(one & other for index, one in enumerate(held) for other in held[:index])
    # One group alone leaves no other to choose on, so its examples are dealt out.
    assert len(search._parts(60, ["one table"] * 60, 5, seed=0)) == 5


def test_one_example_cannot_be_cross_validated() -> None:
    with pytest.raises(InputError, match="two examples"):
        cross_validated(a_world().take(np.array([0])), [Target()])
