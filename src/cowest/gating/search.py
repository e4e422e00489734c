"""The search for a policy: every way to cut the confidence, on examples whose outcomes are known."""

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
"""Places where a region may end. More confidences than that are cut at as many of their quantiles."""

_ROUNDING = 1e-9


class Target(NamedTuple):
    """What the user asked for; with neither, at least the accuracy that both models together have.

    Attributes:
        min_accuracy: the cheapest policy that is at least so accurate is chosen.
        max_cost: the most accurate policy that costs at most so much a query is chosen.
    """

    min_accuracy: float | None = None
    max_cost: float | None = None


@dataclass(frozen=True)
class Outcomes:
    """What each arm did on some examples.

    Attributes:
        confidence: of the drafts, shape [examples]; NaN where there is none.
        scores: shape [examples, arms], in [0, 1], the arms in the order of `ARMS`.
        costs: likewise, in any one unit.
        groups: what each example belongs to, None where it stands alone; None where all do.
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
        """Some of the examples."""
        groups = None if self.groups is None else [self.groups[index] for index in indices]
        return Outcomes(self.confidence[indices], self.scores[indices], self.costs[indices], groups)

    def arms_by(self, policy: Policy) -> list[Arm]:
        """Who answers each example under a policy."""
        return [policy.arm(None if np.isnan(value) else float(value)) for value in self.confidence]


def picked(table: Floats, arms: Sequence[Arm]) -> Floats:
    """The entries of the chosen arms: shape [examples] from [examples, arms]."""
    return np.asarray(table[np.arange(len(arms)), [ARMS.index(arm) for arm in arms]])


class Family:
    """Every policy that is searched, with its mean score and cost on the examples.

    Each allowed arm gets one region or none, in any order; a region ends between two confidences that differ. Examples
    without a confidence are answered by both under every policy.

    Args:
        outcomes: what the arms did.
        arms: those that a policy may use; "both" is always one of them.

    Attributes:
        accuracy, cost: means by policy, shape [policies].
    """

    def __init__(self, outcomes: Outcomes, arms: Sequence[Arm] = ARMS) -> None:
        known = np.flatnonzero(~np.isnan(outcomes.confidence))
        order = known[np.argsort(outcomes.confidence[known], kind="stable")]
        self._sorted = outcomes.confidence[order]
        self._orders = list(itertools.permutations(arms))
        self._ends = self._places(len(arms) - 1)
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
        """The cheapest policy of at least this accuracy, of those the most accurate, then the simplest."""
        return self._first(self.accuracy >= min_accuracy - _ROUNDING, (self.cost, -self.accuracy))

    def most_accurate(self, max_cost: float) -> int | None:
        """The most accurate policy of at most this cost, of those the cheapest, then the simplest."""
        limit = max_cost + _ROUNDING * float(self.cost.max())
        return self._first(self.cost <= limit, (-self.accuracy, self.cost))

    @cached_property
    def curve(self) -> list[int]:
        """The policies that no other one beats in both, from the cheapest to the most accurate."""
        order = np.lexsort((self._num_regions, -_rounded(self.accuracy), _rounded(self.cost)))
        found, best = [], -1.0
        for index in order:
            if self.accuracy[index] > best + _ROUNDING:
                found.append(int(index))
                best = float(self.accuracy[index])
        return found

    def _first(self, feasible: NDArray[np.bool_], keys: tuple[Floats, Floats]) -> int | None:
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

    def _places(self, num_cuts: int) -> NDArray[np.intp]:
        """Where regions end, as positions among the sorted confidences: shape [ways, cuts]."""
        inner = np.flatnonzero(np.diff(self._sorted) > 0) + 1
        # A cut halfway between two neighbouring floats would be one of them, and take its example along.
        inner = inner[(self._sorted[inner - 1] + self._sorted[inner]) / 2 > self._sorted[inner - 1]]
        if len(inner) > MAX_CUTS:
            inner = inner[np.unique(np.linspace(0, len(inner) - 1, MAX_CUTS).round().astype(int))]
        places = [0, *inner.tolist(), len(self._sorted)] if len(self._sorted) else [0]
        ways = itertools.combinations_with_replacement(places, num_cuts)
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
    """A policy, and whether it meets the target on the examples it was chosen on."""

    policy: Policy
    met: bool


def choose(outcomes: Outcomes, target: Target, arms: Sequence[Arm] = ARMS, family: Family | None = None) -> Choice:
    """The policy that buys best under a target.

    Where no policy is as accurate as asked for, always both; where none is as cheap, the cheapest there is.

    Args:
        family: of these very outcomes and arms, where it is there already.
    """
    family = family or Family(outcomes, arms)
    if target.max_cost is not None:
        found = family.most_accurate(target.max_cost)
        index = family.most_accurate(float(family.cost.min())) if found is None else found
        assert index is not None
        return Choice(family.policy(index), found is not None)
    found = family.cheapest(required(outcomes, target))
    return Choice(Policy() if found is None else family.policy(found), found is not None)


def required(outcomes: Outcomes, target: Target) -> float:
    """The accuracy that a target without a price asks for on these examples."""
    if target.min_accuracy is not None:
        return target.min_accuracy
    return float(outcomes.scores[:, ARMS.index("both")].mean())


def cross_validated(
    outcomes: Outcomes, targets: Sequence[Target], arms: Sequence[Arm] = ARMS, *, folds: int = 5, seed: int = 0
) -> list[list[Arm]]:
    """Who answers each example under policies that were chosen without it and its group, by target.

    Args:
        folds: parts, each of which is answered by the policy that was chosen on the others. A group is in one part.

    Raises:
        InputError: one example alone leaves nothing to choose on.
    """
    num = len(outcomes.confidence)
    if num < 2:
        raise InputError("Cross-validation needs at least two examples.")
    parts = _parts(num, outcomes.groups, folds, seed)
    answered: list[list[Arm]] = [["both"] * num for _ in targets]
    for part in parts:
        others = outcomes.take(np.setdiff1d(np.arange(num), part))
        family = Family(others, arms)
        for target, its_arms in zip(targets, answered, strict=True):
            policy = choose(others, target, arms, family).policy
            for index, arm in zip(part, outcomes.take(part).arms_by(policy), strict=True):
                its_arms[int(index)] = arm
    return answered


def _parts(num: int, groups: Sequence[str | None] | None, folds: int, seed: int) -> list[NDArray[np.intp]]:
    """The examples in parts of about as many groups; of as many examples, where there are not two groups."""
    of_example = statistics.group_numbers(groups, num)
    if of_example is None or of_example.max() == 0:
        of_example = np.arange(num)
    num_groups = int(of_example.max()) + 1
    dealt = np.array_split(np.random.default_rng(seed).permutation(num_groups), min(folds, num_groups))
    return [np.flatnonzero(np.isin(of_example, part)) for part in dealt]


def _rounded(values: Floats) -> Floats:
    """Sums of the same numbers in another order differ in the last bits; they are ties all the same."""
    scale = float(np.abs(values).max()) or 1.0
    return np.round(values / scale, 12)
