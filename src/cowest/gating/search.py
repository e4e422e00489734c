"""The search for a policy: all ways to cut the confidence, on examples with known outcomes."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cowest import statistics
from cowest.errors import InputError
from cowest.records import ARMS, Arm, Policy

Floats = NDArray[np.float64]

MAX_CUTS = 200
"""Most places where a region may end; with more distinct confidences, this number of their quantiles is used."""

_ROUNDING = 1e-9


class Target(NamedTuple):
    """What the user asked for; with neither field, at least the accuracy of both models together.

    Attributes:
        min_accuracy: the cheapest policy with at least this accuracy is chosen.
        max_cost: the most accurate policy with at most this cost per query is chosen.
    """

    min_accuracy: float | None = None
    max_cost: float | None = None


@dataclass(frozen=True)
class Outcomes:
    """The outcome of each arm on a set of examples.

    Attributes:
        confidence: of the drafts, shape [examples]; NaN where there is none.
        scores: shape [examples, arms], in [0, 1], the arms in the order of `ARMS`.
        costs: likewise, all in the same unit.
        groups: of the examples, None for one that stands alone; None where all do.
    """

    confidence: Floats
    scores: Floats
    costs: Floats
    groups: Sequence[str | None] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.confidence), len(ARMS))
        if not len(self.confidence) or self.scores.shape != shape or self.costs.shape != shape:
            raise InputError(
                f"A gate needs examples with a score and a cost for each of {len(ARMS)} arms, but got "
                f"{len(self.confidence)} confidences, scores of shape {self.scores.shape} and costs of shape "
                f"{self.costs.shape}."
            )

    def take(self, indices: NDArray[np.intp]) -> "Outcomes":
        """The outcomes of a subset of the examples."""
        groups = None if self.groups is None else [self.groups[index] for index in indices]
        return Outcomes(self.confidence[indices], self.scores[indices], self.costs[indices], groups)

    def arms_by(self, policy: Policy) -> list[Arm]:
        """The arm that answers each example under a policy."""
        return [policy.arm(None if np.isnan(value) else float(value)) for value in self.confidence]


def select_arms(table: Floats, arms: Sequence[Arm]) -> Floats:
    """The entry of each example's arm: shape [examples] from [examples, arms]."""
    return np.asarray(table[np.arange(len(arms)), [ARMS.index(arm) for arm in arms]])


class Family:
    """All policies of the search, with their mean score and cost on the examples.

    Each allowed arm gets at most one region, in any order; regions end between different confidences. Examples without
    a confidence are answered by both models under every policy.

    Args:
        outcomes: of the arms.
        arms: those that a policy may use; "both" is always one of them.

    Attributes:
        accuracy, cost: means over the examples, shape [policies].
    """

    def __init__(self, outcomes: Outcomes, arms: Sequence[Arm] = ARMS) -> None:
        known = np.flatnonzero(~np.isnan(outcomes.confidence))
        order = known[np.argsort(outcomes.confidence[known], kind="stable")]
        self._sorted = outcomes.confidence[order]
        self._orders = list(itertools.permutations(arms))
        self._ends = self._region_ends(len(arms) - 1)
        both, unknown = ARMS.index("both"), np.isnan(outcomes.confidence)
        self.accuracy, self.cost = (
            (self._sums(table[order]) + table[unknown, both].sum()) / len(outcomes.confidence)
            for table in (outcomes.scores, outcomes.costs)
        )

    def policy(self, index: int) -> Policy:
        """A policy, without its empty regions."""
        arms, ends = self._orders[index // len(self._ends)], self._ends[index % len(self._ends)]
        starts = [0, *ends]
        regions = [
            (start, arm)
            for start, end, arm in zip(starts, [*ends, len(self._sorted)], arms, strict=True)
            if start < end
        ]
        if not regions:  # no example has a confidence
            return Policy()
        cuts = [float(self._sorted[start - 1] + self._sorted[start]) / 2 for start, _ in regions[1:]]
        return Policy(cuts=tuple(cuts), arms=tuple(arm for _, arm in regions))

    def cheapest(self, min_accuracy: float) -> int | None:
        """The cheapest policy with at least this accuracy; ties go to the most accurate, then to the simplest."""
        return self._best(self.accuracy >= min_accuracy - _ROUNDING, (self.cost, -self.accuracy))

    def most_accurate(self, max_cost: float) -> int | None:
        """The most accurate policy with at most this cost; ties go to the cheapest, then to the simplest."""
        limit = max_cost + _ROUNDING * float(self.cost.max())
        return self._best(self.cost <= limit, (-self.accuracy, self.cost))

    @cached_property
    def curve(self) -> list[int]:
        """The Pareto front of cost and accuracy, from the cheapest policy to the most accurate."""
        order = np.lexsort((self._num_regions, -_rounded(self.accuracy), _rounded(self.cost)))
        front, best = [], -1.0
        for index in order:
            if self.accuracy[index] > best + _ROUNDING:
                front.append(int(index))
                best = float(self.accuracy[index])
        return front

    def _best(self, feasible: NDArray[np.bool_], keys: tuple[Floats, Floats]) -> int | None:
        indices = np.flatnonzero(feasible)
        if not len(indices):
            return None
        first, second = (_rounded(key[indices]) for key in keys)
        return int(indices[np.lexsort((self._num_regions[indices], second, first))[0]])

    @cached_property
    def _num_regions(self) -> NDArray[np.intp]:
        edges = np.concatenate(
            [np.zeros((len(self._ends), 1), int), self._ends, np.full((len(self._ends), 1), len(self._sorted))], axis=1
        )
        return np.tile((np.diff(edges, axis=1) > 0).sum(axis=1), len(self._orders))

    def _region_ends(self, num_cuts: int) -> NDArray[np.intp]:
        """Where regions end, as positions among the sorted confidences: shape [ways, cuts]."""
        inner = np.flatnonzero(np.diff(self._sorted) > 0) + 1
        # Halfway between two neighbouring floats lies no third one: the cut would equal one of them.
        inner = inner[(self._sorted[inner - 1] + self._sorted[inner]) / 2 > self._sorted[inner - 1]]
        if len(inner) > MAX_CUTS:
            inner = inner[np.unique(np.linspace(0, len(inner) - 1, MAX_CUTS).round().astype(int))]
        ends = [0, *inner.tolist(), len(self._sorted)] if len(self._sorted) else [0]
        ways = itertools.combinations_with_replacement(ends, num_cuts)
        return np.array(list(ways), dtype=np.intp).reshape(-1, num_cuts)

    def _sums(self, table: Floats) -> Floats:
        before = np.concatenate([np.zeros((1, table.shape[1])), np.cumsum(table, axis=0)])
        edges = [np.zeros(len(self._ends), int), *self._ends.T, np.full(len(self._ends), len(table))]
        return np.concatenate(
            [
                sum(
                    (before[end, ARMS.index(arm)] - before[start, ARMS.index(arm)])
                    for start, end, arm in zip(edges, edges[1:], arms, strict=False)
                )
                for arms in self._orders
            ]
        )


class Choice(NamedTuple):
    """A policy, and whether it meets the target on the examples on which it was chosen."""

    policy: Policy
    met: bool


def choose(outcomes: Outcomes, target: Target, arms: Sequence[Arm] = ARMS, family: Family | None = None) -> Choice:
    """The best policy under a target.

    If no policy is accurate enough, both models always answer; if none is cheap enough, it is the cheapest one.

    Args:
        family: of the same outcomes and arms, if it exists already.
    """
    family = family or Family(outcomes, arms)
    if target.max_cost is not None:
        best = family.most_accurate(target.max_cost)
        index = family.most_accurate(float(family.cost.min())) if best is None else best
        assert index is not None
        return Choice(family.policy(index), best is not None)
    best = family.cheapest(required(outcomes, target))
    return Choice(Policy() if best is None else family.policy(best), best is not None)


def required(outcomes: Outcomes, target: Target) -> float:
    """The accuracy that a target without `max_cost` requires on these examples."""
    if target.min_accuracy is not None:
        return target.min_accuracy
    return float(outcomes.scores[:, ARMS.index("both")].mean())


def cross_validated(
    outcomes: Outcomes, targets: Sequence[Target], arms: Sequence[Arm] = ARMS, *, folds: int = 5, seed: int = 0
) -> list[list[Arm]]:
    """For each target, the arm that answers each example under a policy that was chosen without it and its group.

    Args:
        folds: number of folds; each is answered by the policy that was chosen on the others. No group is split.

    Raises:
        InputError: there are fewer than two examples.
    """
    num_examples = len(outcomes.confidence)
    if num_examples < 2:
        raise InputError("Cross-validation needs at least two examples.")
    held_out_parts = _parts(num_examples, outcomes.groups, folds, seed)
    answered: list[list[Arm]] = [["both"] * num_examples for _ in targets]
    for held_out in held_out_parts:
        others = outcomes.take(np.setdiff1d(np.arange(num_examples), held_out))
        family = Family(others, arms)
        for target, target_arms in zip(targets, answered, strict=True):
            policy = choose(others, target, arms, family).policy
            for index, arm in zip(held_out, outcomes.take(held_out).arms_by(policy), strict=True):
                target_arms[int(index)] = arm
    return answered


def _parts(num: int, groups: Sequence[str | None] | None, folds: int, seed: int) -> list[NDArray[np.intp]]:
    """The folds: about as many groups in each, or as many examples where there are not two groups."""
    of_example = statistics.group_numbers(groups, num)
    if of_example is None or of_example.max() == 0:
        of_example = np.arange(num)
    num_groups = int(of_example.max()) + 1
    dealt = np.array_split(np.random.default_rng(seed).permutation(num_groups), min(folds, num_groups))
    return [np.flatnonzero(np.isin(of_example, part)) for part in dealt]


def _rounded(values: Floats) -> Floats:
    """Rounds away differences in the last bits, which come from the order of summation, so that ties are ties."""
    scale = float(np.abs(values).max()) or 1.0
    return np.round(values / scale, 12)
