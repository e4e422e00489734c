"""The results of a policy on validation, fitted and cross-validated, and on test."""

from collections.abc import Sequence

import numpy as np

from cowest import statistics
from cowest.gating.measurement import outcomes_of, without_failures
from cowest.gating.search import Family, Outcomes, Target, cross_validated, select_arms
from cowest.records import ARMS, Arm, Difference, Estimate, MeasuredExample, Policy
from cowest.records.gate import Answered, CurvePoint, FittedPoint, GatedTest, GatedValidation

_CURVE_POINTS = 25
"""Points of the cross-validated curve; each costs a search per fold."""


def _counts(rows: Sequence[MeasuredExample], outcomes: Outcomes) -> dict[str, int | None]:
    return {
        "num_examples": len(rows),
        "num_groups": statistics.count_groups(outcomes.groups) if outcomes.groups is not None else None,
        "num_failed": len(rows) - len(without_failures(rows)),
        "num_without_confidence": int(np.isnan(outcomes.confidence).sum()),
    }


def _answered(outcomes: Outcomes, arms: Sequence[Arm]) -> Answered:
    """The results of a split under these arms, one per example."""
    cost = float(select_arms(outcomes.costs, arms).mean())
    return Answered(
        accuracy=Estimate.of(statistics.mean_interval(select_arms(outcomes.scores, arms), outcomes.groups)),
        cost_per_query=None if np.isnan(cost) else cost,
        shares={arm: arms.count(arm) / len(arms) for arm in ARMS},
    )


def _alone(outcomes: Outcomes, arms: Sequence[Arm]) -> dict[Arm, Answered]:
    return {arm: _answered(outcomes, [arm] * len(outcomes.confidence)) for arm in arms}


def on_validation(
    rows: Sequence[MeasuredExample],
    outcomes: Outcomes,
    policy: Policy,
    target: Target,
    arms: Sequence[Arm],
    family: Family,
    seed: int,
) -> GatedValidation:
    """The policy and the curve as fitted and as cross-validated."""
    indices = family.curve
    sampled = sorted(
        {indices[round(position)] for position in np.linspace(0, len(indices) - 1, _CURVE_POINTS)}, key=indices.index
    )
    targets = [target, *(Target(min_accuracy=float(family.accuracy[index])) for index in sampled)]
    policy_arms, *curve_arms = cross_validated(outcomes, targets, arms, seed=seed)
    return GatedValidation(
        **_counts(rows, outcomes),
        gate=_answered(outcomes, outcomes.arms_by(policy)),
        alone=_alone(outcomes, arms),
        cross_validated=_answered(outcomes, policy_arms),
        curve=[
            FittedPoint(
                cost_per_query=float(family.cost[index]),
                accuracy=float(family.accuracy[index]),
                policy=family.policy(index),
            )
            for index in indices
        ],
        cross_validated_curve=[
            CurvePoint(
                cost_per_query=float(select_arms(outcomes.costs, answered_by).mean()),
                accuracy=float(select_arms(outcomes.scores, answered_by).mean()),
            )
            for answered_by in curve_arms
        ],
    )


def on_test(rows: Sequence[MeasuredExample], policy: Policy, *, in_usd: bool) -> GatedTest:
    """The policy on the test split, compared with both models answering everything."""
    answered = without_failures(rows)
    outcomes = outcomes_of(answered, in_usd=in_usd)
    arms = outcomes.arms_by(policy)
    always: list[Arm] = ["both"] * len(answered)
    difference = statistics.paired_difference(
        select_arms(outcomes.scores, arms), select_arms(outcomes.scores, always), outcomes.groups
    )
    return GatedTest(
        **_counts(rows, outcomes),
        gate=_answered(outcomes, arms),
        alone=_alone(outcomes, ("draft", "both")),
        difference_to_both=Difference.of(difference),
    )
