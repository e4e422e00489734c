import asyncio
from pathlib import Path

from cowest.ledger import Ledger
from cowest.models.kept_call import KeptCall, current_call, keeping
from cowest.types import ChatRequest, Message

REQUEST = ChatRequest(messages=(Message(role="user", content="q"),))


async def test_calls_of_several_tasks_are_told_apart(tmp_path: Path) -> None:
    async def key_inside(key: str) -> str | None:
        with keeping(KeptCall(ledger, key, "strong", "openai/m", REQUEST)):
            await asyncio.sleep(0)
            call = current_call()
            return None if call is None else call.key

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert await asyncio.gather(*map(key_inside, "abc")) == ["a", "b", "c"]
    assert current_call() is None
