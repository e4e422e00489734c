import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cowest.errors import CompletionError
from cowest.ledger import Ledger
from cowest.models.ledgered import Ledgered
from cowest.models.providers.scripted import ScriptedModel
from cowest.types import ChatRequest, Completion

Ask = Callable[..., ChatRequest]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        yield ledger


async def test_pays_once_and_again_only_for_another_sample(ledger: Ledger, ask: Ask) -> None:
    inner = ScriptedModel(lambda request: f"reply {request.sample_index}")
    model = Ledgered(inner, ledger, "weak")
    texts = [(await model.complete(ask(sample_index=index))).text for index in (0, 0, 1, 0)]
    assert texts == ["reply 0", "reply 0", "reply 1", "reply 0"]
    assert (len(inner.requests), model.num_hits) == (2, 2)


def test_resumed_process_pays_nothing(tmp_path: Path, ask: Ask) -> None:
    replies = []
    for inner in (ScriptedModel(["a", "b"]), ScriptedModel([])):
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            model = Ledgered(inner, ledger, "weak")
            replies.append([asyncio.run(model.complete(ask(text))) for text in ("one", "two")])
    assert replies[0] == replies[1]


async def test_roles_do_not_share_replies(ledger: Ledger, ask: Ask) -> None:
    inner = ScriptedModel(["as strong", "as judge"])
    replies = [await Ledgered(inner, ledger, role).complete(ask()) for role in ("strong", "judge")]
    assert [reply.text for reply in replies] == ["as strong", "as judge"]


async def test_failure_is_not_kept(ledger: Ledger, ask: Ask) -> None:
    inner = ScriptedModel([CompletionError("empty"), "reply"])
    model = Ledgered(inner, ledger, "weak")
    with pytest.raises(CompletionError):
        await model.complete(ask())
    assert (ledger.num_open(), ledger.counts()) == (1, {})
    assert (await model.complete(ask())).text == "reply"
    assert (ledger.num_open(), ledger.counts()) == (0, {"weak": 1})


class Gate:
    """A reply that is held back until it is let through."""

    def __init__(self, *replies: str | Exception) -> None:
        self.replies = list(replies)
        self.asked = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, request: ChatRequest) -> str | Completion | BaseException:
        self.asked.set()
        await self.open.wait()
        return self.replies.pop(0)


async def test_same_request_in_flight_is_sent_once(ledger: Ledger, ask: Ask) -> None:
    gate = Gate("reply")
    inner = ScriptedModel(gate)
    # Two wrappers, as when two stages load the same model.
    models = [Ledgered(inner, ledger, "weak"), Ledgered(inner, ledger, "weak")]
    tasks = [asyncio.ensure_future(model.complete(ask())) for model in models for _ in range(3)]
    await gate.asked.wait()
    gate.open.set()
    assert [task.text for task in await asyncio.gather(*tasks)] == ["reply"] * 6
    assert len(inner.requests) == 1
    assert sum(model.num_hits for model in models) == 5


@pytest.mark.parametrize("how", ["fails", "is cancelled"])
async def test_the_second_tries_itself_when_the_first_gets_nothing(ledger: Ledger, ask: Ask, how: str) -> None:
    gate = Gate(*([CompletionError("empty"), "reply"] if how == "fails" else ["reply"]))
    model = Ledgered(ScriptedModel(gate), ledger, "weak")
    first, second = (asyncio.ensure_future(model.complete(ask())) for _ in range(2))
    await gate.asked.wait()
    if how == "is cancelled":
        first.cancel()
        await asyncio.wait([first])
    gate.open.set()
    assert (await second).text == "reply"
    assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], BaseException)


async def test_a_waiter_that_is_cancelled_harms_nobody(ledger: Ledger, ask: Ask) -> None:
    gate = Gate("reply")
    model = Ledgered(ScriptedModel(gate), ledger, "weak")
    first, second, third = (asyncio.ensure_future(model.complete(ask())) for _ in range(3))
    await gate.asked.wait()
    second.cancel()
    await asyncio.wait([second])
    gate.open.set()
    assert [(await task).text for task in (first, third)] == ["reply", "reply"]


async def test_close_leaves_the_ledger_open(ledger: Ledger) -> None:
    inner = ScriptedModel([])
    await Ledgered(inner, ledger, "weak").close()
    assert inner.closed
    assert ledger.counts() == {}
