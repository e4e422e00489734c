"""A hard cap on money."""

import asyncio

import pytest

from cowest.errors import BudgetError, InputError
from cowest.models.budgeted import Budgeted
from cowest.models.providers.scripted import ScriptedModel
from cowest.types import ChatRequest, Completion, Message

REQUEST = ChatRequest(messages=(Message(role="user", content="q"),))


def priced(cost_usd: float | None) -> ScriptedModel:
    return ScriptedModel(lambda _: Completion(text="a", finish_reason="stop", cost_usd=cost_usd))


async def ask(model: Budgeted, count: int) -> list[Completion | BaseException]:
    return await asyncio.gather(*(model.complete(REQUEST) for _ in range(count)), return_exceptions=True)


@pytest.mark.parametrize("spent", [0.0, 0.25])
async def test_the_budget_is_not_overrun_however_many_ask_at_once(spent: float) -> None:
    inner = priced(0.1)
    model = Budgeted(inner, budget_usd=0.65, spent_usd=spent)
    outcomes = await ask(model, 50)
    num_paid = sum(isinstance(outcome, Completion) for outcome in outcomes)
    assert num_paid == len(inner.requests) == int((0.65 - spent) / 0.1 + 1e-9)
    assert model.spent_usd <= 0.65
    assert all(isinstance(outcome, Completion | BudgetError) for outcome in outcomes)


async def test_a_spent_budget_asks_nothing() -> None:
    inner = priced(0.1)
    (outcome,) = await ask(Budgeted(inner, budget_usd=1.0, spent_usd=1.0), 1)
    assert isinstance(outcome, BudgetError)
    assert inner.requests == []


async def test_a_budget_needs_a_price() -> None:
    (outcome,) = await ask(Budgeted(priced(None), budget_usd=1.0), 1)
    assert isinstance(outcome, InputError)
    assert "price:" in str(outcome)


async def test_failures_cost_nothing_and_free_their_place() -> None:
    inner = ScriptedModel([RuntimeError("x"), *(Completion(text="a", finish_reason="stop", cost_usd=0.5),) * 2])
    model = Budgeted(inner, budget_usd=1.0)
    outcomes = [(await ask(model, 1))[0] for _ in range(4)]
    assert [type(outcome) for outcome in outcomes] == [RuntimeError, Completion, Completion, BudgetError]
