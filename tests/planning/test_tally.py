"""Counting on samples: what overlapping sets of examples share is counted once, whichever comes first."""

import itertools

import pytest

from cowest.models import ModelConfig
from cowest.planning.data import MAX_REHEARSED, sample
from cowest.planning.tally import Tally
from cowest.types import Example, Usage

CONFIGS = {"weak": ModelConfig(model="scripted/a:b")}
ROWS = [Example(id=f"e{index}", query=f"q{index}", references=("a",)) for index in range(3000)]
SETS = {"all": ROWS, "drawn": ROWS[::3], "few": ROWS[:300], "small": ROWS[:40]}


def count(tally: Tally, examples: list[Example], *, whole: bool = False) -> int:
    rehearsed = examples if whole else sample(examples)
    tally.weight = len(examples) / len(rehearsed)
    for example in rehearsed:
        tally.add("weak", example.query, Usage(prompt_tokens=3, completion_tokens=2))
    spends = tally.take(CONFIGS)
    return spends["weak"].calls if spends else 0


@pytest.mark.parametrize("names", list(itertools.permutations(SETS, 2)))
def test_two_sets_count_as_their_union(names: tuple[str, str]) -> None:
    tally, sets = Tally(), [SETS[name] for name in names]
    total = sum(count(tally, rows) for rows in sets)
    truth = len({row.id for rows in sets for row in rows})
    assert total == pytest.approx(truth, rel=0.15)


def test_a_set_that_is_known_counts_nothing_and_a_sample_of_what_is_known_whole_neither() -> None:
    tally = Tally()
    assert count(tally, ROWS) == 3000
    assert count(tally, ROWS) == 0
    tally = Tally()
    assert count(tally, SETS["drawn"]) == 1000
    assert count(tally, ROWS, whole=True) == 2000
    assert count(tally, ROWS, whole=True) == 0
    assert count(tally, SETS["few"]) == 0


def test_tokens_follow_the_calls() -> None:
    tally = Tally()
    tally.weight = 2.5
    for name in ("a", "b", "a"):
        tally.add("weak", name, Usage(prompt_tokens=3, completion_tokens=2))
    spend = tally.take(CONFIGS)["weak"]
    assert (spend.calls, spend.usage.prompt_tokens, spend.usage.completion_tokens) == (5, 15, 10)
    assert tally.take(CONFIGS) == {}


def test_a_sample_is_small_keeps_the_order_and_overlaps_as_its_sets_do() -> None:
    some = sample(ROWS)
    assert len(some) == MAX_REHEARSED
    assert [row.id for row in some] == sorted((row.id for row in some), key=lambda name: int(name[1:]))
    assert sample(SETS["small"]) == SETS["small"]
    shared = {row.id for row in sample(SETS["drawn"])} & {row.id for row in some}
    assert shared == {row.id for row in some if int(row.id[1:]) % 3 == 0}
