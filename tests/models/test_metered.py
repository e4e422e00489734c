import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from cowest.errors import CompletionError
from cowest.ledger import Ledger
from cowest.models.connection import Connection
from cowest.models.metered import Metered
from cowest.models.providers.scripted import ScriptedModel
from cowest.types import ChatRequest, Completion, Usage

Ask = Callable[..., ChatRequest]


def reply(cost_usd: float | None = 0.5) -> Completion:
    usage = Usage(prompt_tokens=10, completion_tokens=2)
    return Completion(text="t", finish_reason="stop", usage=usage, cost_usd=cost_usd)


def test_resumed_run_reports_the_same_sums(tmp_path: Path, ask: Ask) -> None:
    meters = []
    for _ in range(2):
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            model = Metered(Connection(ScriptedModel(lambda _: reply())), "weak", ledger)
            for text in ("one", "two", "one"):
                asyncio.run(model.complete(ask(text)))
            meters.append(model)
    assert [(meter.num_calls, meter.usage, meter.cost_usd) for meter in meters] == [
        (3, Usage(prompt_tokens=30, completion_tokens=6), 1.5)
    ] * 2
    assert [meter.num_paid for meter in meters] == [2, 0]


async def test_failure_is_not_counted(ask: Ask) -> None:
    model = Metered(Connection(ScriptedModel([CompletionError("empty"), reply()])), "weak")
    with pytest.raises(CompletionError):
        await model.complete(ask())
    await model.complete(ask())
    assert (model.num_calls, model.num_paid) == (1, 1)


async def test_unknown_price_makes_the_sum_unknown(ask: Ask) -> None:
    model = Metered(Connection(ScriptedModel([reply(), reply(None), reply()])), "weak")
    for _ in range(3):
        await model.complete(ask())
    assert (model.num_calls, model.cost_usd) == (3, None)
