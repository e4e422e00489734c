"""A hard cap on money: the worst case fits before a call is made."""

import asyncio
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowest.errors import BudgetError, CompletionError, InputError, TransientEndpointError
from cowest.ledger import Ledger
from cowest.models.budgeted import TOKENS_A_MESSAGE, Budgeted, worst_case_usd
from cowest.models.config import ModelConfig
from cowest.models.load import load_model
from cowest.models.providers.scripted import ScriptedModel
from cowest.types import ChatRequest, Completion, Message, Sampling, Usage


def request(text: str = "q", max_tokens: int | None = 100) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=text),), sampling=Sampling(max_tokens=max_tokens))


def cost(usage: Usage) -> float:
    """One USD per thousand tokens in, ten out."""
    return (usage.prompt_tokens + 10 * usage.completion_tokens) / 1000


def costing(cost_usd: float | None) -> ScriptedModel:
    return ScriptedModel(lambda _: reply(cost_usd))


def reply(cost_usd: float | None, **changes: object) -> Completion:
    usage = Usage(prompt_tokens=1, completion_tokens=1)
    return Completion(text="a", finish_reason="stop", usage=usage, cost_usd=cost_usd).model_copy(update=changes)


WORST = worst_case_usd(request(), cost)


async def ask(model: Budgeted, count: int, **settings: int | None) -> list[Completion | BaseException]:
    return await asyncio.gather(*(model.complete(request(**settings)) for _ in range(count)), return_exceptions=True)


def test_the_worst_case_by_hand() -> None:
    assert worst_case_usd(request("ä" * 10, max_tokens=7), cost) == pytest.approx(
        (20 + 2 * TOKENS_A_MESSAGE + 70) / 1000
    )


@pytest.mark.parametrize("spent", [0.0, 2.5])
async def test_the_budget_is_used_up_but_not_overrun_however_many_ask_at_once(spent: float) -> None:
    inner = costing(0.1)
    model = Budgeted(inner, 5.0, cost=cost)
    model.spent_usd = spent
    outcomes = await ask(model, 80)
    assert model.spent_usd <= 5.0
    assert 5.0 - model.spent_usd < WORST + 0.1
    assert all(isinstance(outcome, Completion | BudgetError) for outcome in outcomes)
    assert sum(isinstance(outcome, Completion) for outcome in outcomes) == len(inner.requests)
    assert model.reserved_usd == pytest.approx(0.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 6.0))
def test_no_order_of_costs_and_failures_overruns_it(seed: int, budget: float) -> None:
    random = Random(seed)
    billed = 0.0

    def reply(_: ChatRequest) -> Completion:
        nonlocal billed
        usd = WORST * random.random()
        kind = random.random()
        if kind < 0.1:
            raise TransientEndpointError("busy")
        billed += usd
        if kind < 0.2:
            raise CompletionError("filtered", may_be_billed=True)
        if kind < 0.3:
            raise TransientEndpointError("timed out", may_be_billed=True)
        return Completion(text="a", finish_reason="stop", cost_usd=usd)

    model = Budgeted(ScriptedModel(reply), budget, cost=cost)
    asyncio.run(ask(model, 40))
    assert billed <= model.spent_usd + 1e-9
    assert model.spent_usd <= budget + 1e-9


async def test_calls_wait_for_what_others_hold_instead_of_giving_up() -> None:
    in_flight = 0
    most = 0

    class Slow(ScriptedModel):
        async def complete(self, request: ChatRequest) -> Completion:
            nonlocal in_flight, most
            in_flight += 1
            most = max(most, in_flight)
            await asyncio.sleep(0)
            in_flight -= 1
            return reply(0.0)

    outcomes = await ask(Budgeted(Slow("a"), 2.5 * WORST, cost=cost), 20)
    assert all(isinstance(outcome, Completion) for outcome in outcomes)
    assert most == 2


async def test_a_spent_budget_asks_nothing() -> None:
    inner = costing(0.1)
    model = Budgeted(inner, 1.0, cost=cost)
    model.spent_usd = 1.0
    (outcome,) = await ask(model, 1)
    assert isinstance(outcome, BudgetError)
    assert inner.requests == []


def test_a_budget_needs_a_price() -> None:
    with pytest.raises(InputError, match="price:"):
        Budgeted(costing(0.1), 1.0, cost=lambda usage: None)


async def test_a_budget_needs_a_limit_on_tokens_and_sends_it() -> None:
    (outcome,) = await ask(Budgeted(costing(0.1), 9.0, cost=cost), 1, max_tokens=None)
    assert isinstance(outcome, InputError)
    assert "max_tokens" in str(outcome)
    inner = costing(0.1)
    await ask(Budgeted(inner, 9.0, cost=cost, max_tokens=50), 1, max_tokens=None)
    assert inner.requests[0].sampling.max_tokens == 50


async def test_failures_that_cost_nothing_free_their_place() -> None:
    replies = [TransientEndpointError("busy"), Completion(text="a", finish_reason="stop", cost_usd=WORST)]
    model = Budgeted(ScriptedModel(replies), 1.5 * WORST, cost=cost)
    outcomes = [(await ask(model, 1))[0] for _ in range(3)]
    assert [type(outcome) for outcome in outcomes] == [TransientEndpointError, Completion, BudgetError]


async def test_a_cancelled_call_may_have_been_billed() -> None:
    started = asyncio.Event()

    class Hanging(ScriptedModel):
        async def complete(self, request: ChatRequest) -> Completion:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

    model = Budgeted(Hanging("a"), 9.0, cost=cost)
    task = asyncio.ensure_future(model.complete(request()))
    await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (model.spent_usd, model.reserved_usd) == (WORST, 0.0)


async def test_a_restarted_run_counts_strong_and_judge_where_one_model_is_both(tmp_path: Path) -> None:
    config = ModelConfig.model_validate(
        {
            "model": "openai/m",
            "base_url": "http://127.0.0.1:9/v1",
            "sampling": {"max_tokens": 10},
            "budget_usd": 5.0,
            "price": {"input": 1e3, "output": 1e4},
        }
    )
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        for role in ("strong", "judge", "weak"):
            paid, lost = request(f"paid {role}"), request(f"lost {role}", max_tokens=1)
            for each in (paid, lost):
                await ledger.intend(ledger.key(role, "openai/m", "x", each), role, "openai/m", each)
            key = ledger.key(role, "openai/m", "x", paid)
            await ledger.settle(key, Completion(text="a", finish_reason="stop", cost_usd=1.0))
        for role, usd in (("strong", 0.25), ("weak", 0.5)):
            await ledger.bookings.book(role, role, "openai/m", request(), usd)
            await ledger.bookings.end(role, may_be_billed=True)
        model = load_model(config, role="strong", ledger=ledger, shared_with=["judge"])
    capped = model.connection.budget
    assert capped is not None
    lost_usd = [worst_case_usd(request(f"lost {role}", max_tokens=1), cost) for role in ("strong", "judge")]
    assert capped.spent_usd == pytest.approx(2.0 + 0.25 + sum(lost_usd))
