"""Known limits are kept by even spacing; time is scripted."""

import pytest

from cowest.errors import RateLimitError, TransientEndpointError
from cowest.models.limits import EndpointLimits
from cowest.models.paced import Paced
from cowest.models.providers.scripted import ScriptedModel
from cowest.types import ChatRequest, Completion, Message, Usage

REQUEST = ChatRequest(messages=(Message(role="user", content="q"),))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def starts(requests_per_minute: float | None, tokens_per_minute: float | None, count: int) -> list[float]:
    clock, found = Clock(), list[float]()

    def reply(request: ChatRequest) -> Completion:
        found.append(clock.now - 100.0)
        return Completion(text="a", finish_reason="stop", usage=Usage(prompt_tokens=60, completion_tokens=40))

    limits = EndpointLimits(requests_per_minute, tokens_per_minute, clock=clock, sleep=clock.sleep)
    model = Paced(ScriptedModel(reply), limits)
    for _ in range(count):
        await model.complete(REQUEST)
    return found


async def test_requests_are_spaced_evenly() -> None:
    assert await starts(30, None, 4) == pytest.approx([0.0, 2.0, 4.0, 6.0])


async def test_tokens_are_spaced_as_they_become_known() -> None:
    assert await starts(None, 1000, 3) == pytest.approx([0.0, 6.0, 12.0])


async def test_the_tighter_limit_decides() -> None:
    assert await starts(6, 1000, 3) == pytest.approx([0.0, 10.0, 20.0])


async def test_the_limits_hear_how_each_call_ended() -> None:
    clock = Clock()
    limits = EndpointLimits(600, clock=clock, sleep=clock.sleep)
    model = Paced(ScriptedModel([TransientEndpointError("busy"), RateLimitError("slow down", 5.0), "reply"]), limits)
    for error in (TransientEndpointError, RateLimitError):
        with pytest.raises(error):
            await model.complete(REQUEST)
    assert limits.rate.rate < 10
    await model.complete(REQUEST)
    assert clock.now < 101  # who was refused waits, and nobody else
    assert limits.rate.refused_for_s(clock.now) == 0
