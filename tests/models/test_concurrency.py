import asyncio
from collections.abc import Callable

from cowest.models.concurrency import Concurrent
from cowest.models.providers.scripted import ScriptedModel
from cowest.types import ChatRequest


def test_never_more_than_the_limit_in_any_event_loop(ask: Callable[..., ChatRequest]) -> None:
    running: list[int] = []
    seen: list[int] = []

    async def script(_: ChatRequest) -> str:
        running.append(1)
        seen.append(len(running))
        for _turn in range(3):
            await asyncio.sleep(0)
        running.pop()
        return "reply"

    model = Concurrent(ScriptedModel(script), 3)

    async def many() -> None:
        await asyncio.gather(*(model.complete(ask(sample_index=i)) for i in range(20)))

    for _ in range(2):
        asyncio.run(many())
    assert max(seen) == 3
    assert len(seen) == 40
