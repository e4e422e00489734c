"""Simulated evaluations with and without planted faults, and how often an audit finds something in them.

As a script it measures the rates of false findings over many runs:
`python -m tests.auditing.simulated --runs 2000 --queries 400`.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from cowest.auditing import Answers, WordSwap, compare_answers
from cowest.auditing.answered import Answered
from cowest.auditing.calibration import calibration
from cowest.auditing.examine import audit_of
from cowest.auditing.measured import measure_slices
from cowest.auditing.reliance import reliance
from cowest.auditing.slicing import slices
from cowest.records import Calibration, CorrectedDifference, Prediction, Reliance, Slice, Swaps
from cowest.statistics import NOT_SHOWN, WORSE
from cowest.types import DraftAnswer

NUM, GROUP_SIZE = 240, 4
RIGHT, WRONG, DRAFTED = "Orrin", "Belm", "Carrow"
TOPICS, REGIONS = ("rivers", "bridges", "towns", "roads", "ports"), ("north", "south", "east")
SWAP = WordSwap([("he", "she")])


@dataclass(frozen=True)
class Faults:
    """How a run behaves; by default the pair is as often right as the strong model alone, everywhere.

    Attributes:
        gain: by which the pair is more often right.
        harmed_topic: where it is right less often, by half.
        takes_wrong: how often it gives a wrong draft's answer to what the strong model has right alone.
        leaves_right: how often it is wrong where the draft is right; None: the draft makes no difference.
        too_sure: by how much the confidence of drafts exceeds the share that is right.
    """

    gain: float = 0.0
    harmed_topic: str | None = None
    takes_wrong: float = 0.0
    leaves_right: float | None = None
    too_sure: float = 0.0


def predictions(method: str, number: int, *, right: bool, answer: str, draft: DraftAnswer | None) -> Prediction:
    group = number // GROUP_SIZE
    return Prediction(
        id=f"q{number}",
        method=method,
        query=f"Which town does he see from bridge {number}?{' It is old.' * (number % 7)}",
        reference=(RIGHT,),
        draft=None if draft is None else f"Answer: {draft.final}",
        draft_answer=draft,
        output=f"Answer: {answer}",
        answer=answer,
        correct=float(right),
        scores={"accuracy": float(right)},
        fields={
            "topic": TOPICS[number % 5],
            "year": 1800 + (number * 37) % 211,
            "region": REGIONS[group % 3],
            "old": number % 2 == 0,
        },
        group=f"bridge {group}",
    )


_prediction: Callable[..., Prediction] = cache(predictions)
"""A run differs from another in its outcomes alone, of which there are few."""


def evaluation(rng: np.random.Generator, faults: Faults, num: int = NUM) -> Answered:
    """One evaluation. Groups differ in difficulty, and in how far the draft helps there, by 0 on average."""
    num_groups = num // GROUP_SIZE
    group = np.arange(num) // GROUP_SIZE
    difficulty = rng.choice([0.35, 0.6, 0.85], num_groups)[group]
    shift = rng.choice([-0.15, 0.0, 0.15], num_groups)[group]
    harmed = np.array([TOPICS[number % 5] == faults.harmed_topic for number in range(num)])
    strong = rng.random(num) < difficulty
    pair = rng.random(num) < np.where(harmed, difficulty / 2, np.clip(difficulty + shift + faults.gain, 0, 1))
    sure = np.round(0.5 + 0.49 * ((np.arange(num) * 7919) % num) / num, 4)
    drafted = rng.random(num) < sure - faults.too_sure
    if faults.leaves_right is not None:
        pair = np.where(drafted & ~harmed, rng.random(num) >= faults.leaves_right, pair)
    takes = ~drafted & strong & (rng.random(num) < faults.takes_wrong)
    pair &= ~takes

    def draft(number: int) -> DraftAnswer:
        right = bool(drafted[number])
        return DraftAnswer(final=RIGHT if right else DRAFTED, correct=float(right), confidence=float(sure[number]))

    def answer(number: int) -> str:
        return RIGHT if pair[number] else DRAFTED if takes[number] else WRONG

    def of_pair(number: int) -> Prediction:
        found: Prediction = _prediction(
            "collaborate", number, right=bool(pair[number]), answer=answer(number), draft=draft(number)
        )
        return found

    def of_strong(number: int) -> Prediction:
        right = bool(strong[number])
        return _prediction("strong_only", number, right=right, answer=RIGHT if right else WRONG, draft=None)

    numbers = range(num)
    return Answered("collaborate", list(map(of_pair, numbers)), list(map(of_strong, numbers)), None)


def sliced(answered: Answered) -> list[Slice]:
    return measure_slices(answered, slices(answered.pair, 30).parts)


def relied(answered: Answered) -> Reliance:
    found = reliance(answered)
    assert found is not None
    return found


def calibrated(answered: Answered) -> Calibration:
    found = calibration(answered, 30)
    assert found is not None
    return found


def swapped(rng: np.random.Generator, *, strong: float, pair: float, again: float = 0.15, num: int = 200) -> Swaps:
    """Answers that change under a swap and when asked again, with these chances; groups of two change together."""

    def changed(chance: float) -> list[bool]:
        return [bool(each) for each in np.repeat(rng.random(num // 2) < chance, 2)]

    def rows(changes: list[bool]) -> list[Prediction]:
        return [
            _prediction("x", number, right=not change, answer=WRONG if change else RIGHT, draft=None)
            for number, change in enumerate(changes)
        ]

    def answers(chance: float) -> Answers:
        return Answers(rows([False] * num), rows(changed(chance)), rows(changed(again)))

    groups = [f"pair {number // 2}" for number in range(num)]
    return compare_answers(answers(strong), answers(pair), SWAP, groups, num)


def is_false_alarm(rng: np.random.Generator, family: str, num: int = NUM) -> bool:
    """Whether the audit of a run without a fault shows something: a difference in a family of tests, or a finding.

    "slices", "calibration" and "swaps" count a verdict in either direction, of which findings are about half.
    """
    if family == "harmed":
        return any(each.verdict == WORSE for each in sliced(evaluation(rng, Faults(), num)))
    if family == "whole":  # the findings of an audit of a pair that uses its drafts as it should
        answered = evaluation(rng, Faults(takes_wrong=0.03, leaves_right=0.03), num)
        return bool(audit_of(answered, swaps=swapped(rng, strong=0.15, pair=0.15)).findings)
    if family == "swaps":
        found = swapped(rng, strong=0.15, pair=0.15)
        return any(is_shown(each) for each in (found.strong.difference, found.pair.difference, found.difference))
    if family in ("takes", "leaves"):  # as large a share as is tolerated
        both = relied(evaluation(rng, Faults(takes_wrong=0.1, leaves_right=0.1), num))
        share = both.took_wrong if family == "takes" else both.left_right
        assert share is not None
        assert share.ci95 is not None
        return share.ci95[0] > both.tolerated
    answered = evaluation(rng, Faults(), num)
    return any(map(is_shown, calibrated(answered).bins if family == "calibration" else sliced(answered)))


def is_shown(difference: CorrectedDifference) -> bool:
    return difference.verdict != NOT_SHOWN


FAMILIES = ("slices", "harmed", "calibration", "swaps", "takes", "leaves", "whole")


def rate(family: str, num_runs: int, num: int = NUM, seed: int = 0) -> float:
    """The share of runs without a fault in which the audit shows one."""
    rng = np.random.default_rng(seed)
    return sum(is_false_alarm(rng, family, num) for _ in range(num_runs)) / num_runs


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=400)
    options = parser.parse_args()
    for name in FAMILIES:
        print(f"{name}: {100 * rate(name, options.runs, options.queries):.1f}% of {options.runs} runs", flush=True)
