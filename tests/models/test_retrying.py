import socket
from collections.abc import Callable
from typing import Any

import pytest

from cowest.errors import (
    BrokenReplyError,
    CompletionError,
    CowestError,
    EndpointError,
    RateLimitError,
    TransientEndpointError,
    UnreachableError,
    UnrecognizedReplyError,
)
from cowest.models.config import ModelConfig
from cowest.models.providers.openai import OpenAIModel
from cowest.models.providers.scripted import ScriptedModel
from cowest.models.retrying import Retrying
from cowest.types import ChatRequest

Ask = Callable[..., ChatRequest]


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def retrying(replies: Any, time: Time, **bounds: Any) -> Retrying:
    return Retrying(ScriptedModel(replies), sleep=time.sleep, **bounds)


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
    with pytest.raises(TransientEndpointError, match="after 3 attempts and 80 s"):
        await model.complete(ask())
    assert time.waits == [40.0, 40.0]


@pytest.mark.parametrize("error", [EndpointError("no such model"), CompletionError("empty")])
async def test_what_cannot_pass_is_not_repeated(ask: Ask, error: Exception) -> None:
    time = Time()
    with pytest.raises(type(error), match=str(error)):
        await retrying([error, "reply"], time).complete(ask())
    assert time.waits == []


async def test_a_rate_limit_takes_no_attempt(ask: Ask) -> None:
    time = Time()
    model = retrying([*[RateLimitError("slow down")] * 50, "reply"], time, max_attempts=2)
    assert (await model.complete(ask())).text == "reply"
    assert time.now == 0


async def test_a_broken_reply_is_tried_again_a_few_times(ask: Ask) -> None:
    assert (await retrying([*[BrokenReplyError("half")] * 2, "reply"], Time()).complete(ask())).text == "reply"
    time = Time()
    model = retrying([*[BrokenReplyError("half")] * 5, "reply"], time)
    with pytest.raises(BrokenReplyError, match=r"after 5 attempts.*half"):
        await model.complete(ask())
    assert time.now < 5 * 0.5


async def test_outages_and_broken_replies_are_counted_apart(ask: Ask) -> None:
    replies = [TransientEndpointError("busy"), BrokenReplyError("half")] * 4
    assert (await retrying([*replies, "reply"], Time(), max_attempts=5).complete(ask())).text == "reply"


async def test_what_is_no_reply_is_the_endpoints_failure_where_nobody_else_is_answered(ask: Ask) -> None:
    def reply(request: ChatRequest) -> str | Exception:
        return UnrecognizedReplyError("<html>") if request.sample_index == 0 else "reply"

    with pytest.raises(EndpointError, match="<html>") as caught:
        await retrying(reply, Time()).complete(ask())
    assert type(caught.value) is EndpointError
    model = retrying(reply, Time())

    async def sleep(seconds: float) -> None:
        await model.complete(ask(sample_index=1))

    model._sleep = sleep
    with pytest.raises(BrokenReplyError, match="<html>"):
        await model.complete(ask())


async def test_a_model_whose_outages_are_its_own_matter_is_asked_again_for_broken_replies_only(ask: Ask) -> None:
    for busy in (TransientEndpointError("busy"), RateLimitError("slow down")):
        with pytest.raises(TransientEndpointError) as caught:
            await retrying([busy, "reply"], Time(), repeats=(BrokenReplyError,)).complete(ask())
        assert caught.value is busy
    model = retrying([BrokenReplyError("half"), "reply"], Time(), repeats=(BrokenReplyError,))
    assert (await model.complete(ask())).text == "reply"


@pytest.mark.parametrize(("others_are_answered", "error"), [(True, CompletionError), (False, TransientEndpointError)])
async def test_a_request_that_always_fails_fails_alone_where_others_are_answered(
    ask: Ask, others_are_answered: bool, error: type[CowestError]
) -> None:
    def reply(request: ChatRequest) -> str | Exception:
        return TransientEndpointError("busy") if request.sample_index == 0 else "reply"

    time = Time()
    model = retrying(reply, time)

    async def others() -> None:
        if others_are_answered:
            await model.complete(ask(sample_index=1))

    plain_sleep = time.sleep

    async def sleep(seconds: float) -> None:
        await plain_sleep(seconds)
        await others()

    model._sleep = sleep
    with pytest.raises(CowestError) as caught:
        await model.complete(ask())
    assert type(caught.value) is error


async def test_an_endpoint_that_cannot_be_reached_is_said_before_the_first_wait(
    ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        model = OpenAIModel.from_config(ModelConfig(model="openai/m", base_url=f"http://127.0.0.1:{port}/v1"), 0)
        said = []

        async def sleep(seconds: float) -> None:
            said.append(capsys.readouterr().err)

        with pytest.raises(TransientEndpointError):
            await Retrying(model, sleep=sleep, max_attempts=3).complete(ask())
        await model.close()
    assert "retrying: m at http://127.0.0.1" in said[0]
    assert "connection refused" in said[0]
    assert said[1] == ""


async def test_an_endpoint_that_can_be_reached_again_is_said_once(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    model = retrying([*[UnreachableError("m cannot be reached (connection refused).")] * 3, "one", "two"], Time())
    model.identity = "reached again"
    assert [(await model.complete(ask())).text for _ in range(2)] == ["one", "two"]
    assert capsys.readouterr().err.splitlines() == [
        "• retrying: m cannot be reached (connection refused).", "• scripted/test answers again",
    ]  # fmt: skip
