from collections.abc import Callable
from typing import Any

import pytest

from cowest.errors import CompletionError, EndpointError, TransientEndpointError
from cowest.models.providers.scripted import ScriptedModel
from cowest.models.retrying import Retrying
from cowest.types import ChatRequest

Ask = Callable[..., ChatRequest]


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def retrying(replies: Any, time: Time, **bounds: Any) -> Retrying:
    return Retrying(ScriptedModel(replies), clock=time.clock, sleep=time.sleep, **bounds)


async def test_waits_longer_each_time_and_succeeds(ask: Ask) -> None:
    time = Time()
    model = retrying([*[TransientEndpointError("busy")] * 4, "reply"], time, first_wait_s=1.0)
    assert (await model.complete(ask())).text == "reply"
    assert len(time.waits) == 4
    assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(time.waits))


async def test_waits_are_decided_by_the_seed(ask: Ask) -> None:
    waits = []
    for seed in (0, 0, 1):
        time = Time()
        await retrying([*[TransientEndpointError("busy")] * 3, "reply"], time, seed=seed).complete(ask())
        waits.append(time.waits)
    assert waits[0] == waits[1] != waits[2]


async def test_honours_retry_after(ask: Ask) -> None:
    time = Time()
    await retrying([TransientEndpointError("busy", retry_after_s=42.0), "reply"], time).complete(ask())
    assert time.waits == [42.0]


async def test_attempts_are_bounded(ask: Ask) -> None:
    time = Time()
    model = retrying(lambda _: TransientEndpointError("busy"), time, max_attempts=3)
    with pytest.raises(TransientEndpointError, match=r"after 3 attempts.*busy"):
        await model.complete(ask())
    assert len(time.waits) == 2


async def test_time_is_bounded_and_no_wait_is_begun_in_vain(ask: Ask) -> None:
    time = Time()
    model = retrying(lambda _: TransientEndpointError("busy", retry_after_s=40.0), time, max_time_s=100.0)
    with pytest.raises(TransientEndpointError, match="after 3 attempts in 80 s"):
        await model.complete(ask())
    assert time.waits == [40.0, 40.0]


@pytest.mark.parametrize("error", [EndpointError("no such model"), CompletionError("empty")])
async def test_what_cannot_pass_is_not_repeated(ask: Ask, error: Exception) -> None:
    time = Time()
    with pytest.raises(type(error), match=str(error)):
        await retrying([error, "reply"], time).complete(ask())
    assert time.waits == []
