"""feedback.spend: never exceeded, and the same queries however calls are timed and wherever the round was stopped."""

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowest import synchronous
from cowest.errors import InputError
from cowest.models import Metered
from cowest.models.budgeted import Cost
from cowest.models.connection import Connection
from cowest.models.providers.scripted import ScriptedModel
from cowest.records import FeedbackSummary
from cowest.stages._spend_limit import SpendLimit
from cowest.stages.feedback import FeedbackConfig, feedback
from cowest.stages.queries import shuffled
from cowest.types import ChatRequest, Completion, Example, Sampling, Usage
from tests.worlds import ScoreBy, gamble, gambler, right_or_wrong, sums

PRICE = 0.01
"""USD of a reply of the strong model in these tests; its worst case is far above."""

Costs = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 5)), min_size=1, max_size=20)
"""Of each query, its worst case less its cost, and its cost."""


def admitted(limit_usd: float, costs: Sequence[tuple[int, int]], delays: Sequence[int]) -> list[int]:
    """The queries that are admitted where each takes so many turns of the event loop."""

    async def run() -> list[int]:
        limit = SpendLimit(limit_usd, lambda example: float(sum(costs[int(example.id)])))
        done: list[int] = []

        async def ask(index: int) -> None:
            example = Example(id=str(index), query="?")
            if await limit.admit(example):
                for _ in range(delays[index]):
                    await asyncio.sleep(0)
                await limit.leave(example, [float(costs[index][1])])
                done.append(index)

        await asyncio.gather(*(ask(index) for index in range(len(costs))))
        return sorted(done)

    return synchronous.run(run())


@settings(max_examples=60, deadline=None)
@given(Costs, st.integers(0, 60), st.data())
def test_the_same_first_queries_are_admitted_however_they_are_timed(
    costs: list[tuple[int, int]], limit_usd: int, data: st.DataObject
) -> None:
    expected, spent = [], 0
    for index, (spare, cost) in enumerate(costs):
        if spent + spare + cost > limit_usd:
            break
        expected.append(index)
        spent += cost
    delays = data.draw(st.lists(st.integers(0, 9), min_size=len(costs), max_size=len(costs)))
    assert admitted(limit_usd, costs, delays) == expected
    assert spent <= limit_usd


def strong(cost: Cost = lambda usage: usage.completion_tokens * PRICE, *, stops_at: int = 0) -> Metered:
    """A strong model with a price, which Ctrl-C stops at a call."""
    calls = itertools.count(1)

    def reply(request: ChatRequest) -> Completion:
        if next(calls) == stops_at:
            raise KeyboardInterrupt
        usage = Usage(prompt_tokens=1, completion_tokens=1)
        return Completion(text=gamble("strong", 0.5, request), finish_reason="stop", usage=usage, cost_usd=PRICE)

    return Metered(Connection(ScriptedModel(reply), cost=cost), "strong")


def gather(out: Path, examples: Sequence[Example], **changes: Any) -> FeedbackSummary:
    given_settings: dict[str, Any] = {
        "weak": gambler("weak", 0.4),
        "strong": strong(),
        "judge": ScoreBy(right_or_wrong),
        "weak_sampling": Sampling(max_tokens=4),
        "strong_sampling": Sampling(max_tokens=4),
        "skip_settled": False,
    }
    feedback(examples, out=out, **(given_settings | changes))
    return FeedbackSummary.read(out / "summary.json")


def test_a_round_ends_where_its_money_does(tmp_path: Path) -> None:
    examples = sums(30)
    # Six replies of $0.01 a query, each $0.04 at worst: the 13th would fit by its cost, but not by its worst case.
    found = gather(tmp_path, examples, spend=0.96)
    assert found.calls["strong"] * PRICE <= 0.96
    assert (found.num_examples, found.num_not_asked, found.spend_usd) == (13, 17, 0.96)
    kept = [line.split('"')[3] for line in (tmp_path / "graded.jsonl").read_text().splitlines()]
    assert kept == [example.id for example in examples[:13]]


def test_a_round_that_was_stopped_ends_at_the_same_query_and_pays_no_more(tmp_path: Path) -> None:
    gather(tmp_path / "whole", sums(30), spend=0.96)
    with pytest.raises(KeyboardInterrupt):
        gather(tmp_path / "stopped", sums(30), spend=0.96, strong=strong(stops_at=40))
    gather(tmp_path / "stopped", sums(30), spend=0.96)
    for name in ("graded.jsonl", "pairs.jsonl"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_without_a_limit_nothing_is_said_of_one(tmp_path: Path) -> None:
    assert gather(tmp_path, sums(4)).num_not_asked is None
    assert "spend_usd" not in (tmp_path / "summary.json").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strong": gambler("strong", 0.5)}, "cost nothing here"),
        ({"strong": strong(lambda usage: None)}, "the price of strong is not known"),
        ({"strong_sampling": Sampling()}, r"without strong\.sampling\.max_tokens"),
        ({"kind": "rlaif"}, "feedback.kind rlaif compares drafts"),
        ({"null_control": 3}, "null_control draws from the queries of a round"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        gather(tmp_path, sums(4), spend=1.0, **changes)


def test_the_first_queries_are_a_sample_of_all() -> None:
    examples = sums(50)
    order = shuffled(examples, seed=1, round_number=1)
    assert sorted(order, key=lambda example: example.id) == sorted(examples, key=lambda example: example.id)
    assert order[:10] != examples[:10]
    assert order == shuffled(examples, seed=1, round_number=1) != shuffled(examples, seed=1, round_number=2)
    assert FeedbackConfig().spend is None
