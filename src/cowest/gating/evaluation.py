"""What a policy came to on the split that it was learned from, fitted and cross-validated, and on test."""

from collections.abc import Sequence

import numpy as np

from cowest import statistics
from cowest.gating.measurement import outcomes_of, without_failures
from cowest.gating.search import Family, Outcomes, Target, cross_validated, picked
from cowest.records import ARMS, Arm, Difference, Estimate, MeasuredExample, Policy
from cowest.records.gate import Answered, CurvePoint, FittedPoint, GatedTest, GatedValidation

_CURVE_POINTS = 25
"""Points of the curve that are cross-validated; each is a search in each fold."""


def _counts(rows: Sequence[MeasuredExample], outcomes: Outcomes) -> dict[str, int | None]:
    return {
        "num_examples": len(rows),
        "num_groups": statistics.count_groups(outcomes.groups) if outcomes.groups is not None else None,
        "num_failed": len(rows) - len(without_failures(rows)),
        "num_without_confidence": int(np.isnan(outcomes.confidence).sum()),
    }


def _answered(outcomes: Outcomes, arms: Sequence[Arm]) -> Answered:
    """What a split came to when these arms answered."""
    cost = float(picked(outcomes.costs, arms).mean())
    return Answered(
        accuracy=Estimate.of(statistics.mean_interval(picked(outcomes.scores, arms), outcomes.groups)),
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
    """The policy and the curve as fitted, and what they come to on examples that were not chosen on."""
    indices = family.curve
    spread = sorted(
        {indices[round(place)] for place in np.linspace(0, len(indices) - 1, _CURVE_POINTS)}, key=indices.index
    )
    targets = [target, *(Target(min_accuracy=float(family.accuracy[index])) for index in spread)]
    chosen, *along = cross_validated(outcomes, targets, arms, seed=seed)
    return GatedValidation(
        **_counts(rows, outcomes),
        gate=_answered(outcomes, outcomes.arms_by(policy)),
        alone=_alone(outcomes, arms),
        cross_validated=_answered(outcomes, chosen),
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
                cost_per_query=float(picked(outcomes.costs, each).mean()),
                accuracy=float(picked(outcomes.scores, each).mean()),
            )
            for each in along
        ],
    )


def on_test(rows: Sequence[MeasuredExample], policy: Policy, *, in_usd: bool) -> GatedTest:
    """The policy on the test split, against both models answering everything."""
    kept = without_failures(rows)
    outcomes = outcomes_of(kept, in_usd=in_usd)
    arms = outcomes.arms_by(policy)
    always: list[Arm] = ["both"] * len(kept)
    difference = statistics.paired_difference(
        picked(outcomes.scores, arms), picked(outcomes.scores, always), outcomes.groups
    )
    return GatedTest(
        **_counts(rows, outcomes),
        gate=_answered(outcomes, arms),
        alone=_alone(outcomes, ("draft", "both")),
        difference_to_both=Difference.of(difference),
    )
