"""The queue before an endpoint: order, sharing, and the signs of waiting."""

import asyncio
import gc
import io

import pytest

from cowest.errors import EndpointError, RateLimitError
from cowest.models import ModelConfig, limits, load_model
from cowest.models.limits import LONGEST_REFUSAL_S, EndpointLimits, duration_s, limits_of
from cowest.progress import progress_bar


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def make(time: Time, **known: float) -> EndpointLimits:
    return EndpointLimits(**known, clock=time.clock, sleep=time.sleep)


async def test_turns_come_in_order_of_arrival() -> None:
    time, order = Time(), list[int]()
    shared = make(time, requests_per_minute=60)

    async def caller(number: int) -> None:
        await shared.turn()
        order.append(number)

    await asyncio.gather(*(caller(number) for number in range(6)))
    assert order == list(range(6))
    assert time.now == 105.0


async def test_a_cancelled_caller_does_not_block_the_queue() -> None:
    time = Time()
    shared = make(time, requests_per_minute=60)
    callers = [asyncio.ensure_future(shared.turn()) for _ in range(4)]
    await asyncio.sleep(0)
    callers[1].cancel()
    callers[2].cancel()
    done = await asyncio.gather(*callers, return_exceptions=True)
    assert [isinstance(each, BaseException) for each in done] == [False, True, True, False]


def test_one_state_for_event_loops_one_after_another() -> None:
    time = Time()
    shared = make(time, requests_per_minute=60)
    for _ in range(3):
        asyncio.run(shared.turn())
    assert time.now == 102.0
    gc.collect()
    assert len(shared._queues) == 0


async def test_tokens_are_set_aside_before_they_are_known() -> None:
    time = Time()
    shared = make(time, tokens_per_minute=600)
    shared.answered(await shared.turn(), 100)
    assert time.now == 100.0
    second = await shared.turn()
    assert time.now == 110.0
    third = asyncio.ensure_future(shared.turn())
    await asyncio.sleep(0)
    shared.failed(second)  # which gives its tokens back
    await third
    assert time.now < 112.0


async def test_an_endpoint_that_lets_nothing_through_is_given_up() -> None:
    time = Time()
    shared = make(time)

    async def ask_for_ever() -> None:
        while True:
            call = await shared.turn()
            time.now += 1
            shared.refused(call, RateLimitError("slow down"))

    with pytest.raises(EndpointError, match=r"rate limit has let no call through for 9\d\d s.*slow down"):
        await ask_for_ever()
    assert LONGEST_REFUSAL_S < time.now - 100 < LONGEST_REFUSAL_S + 100


async def test_an_endpoint_that_asks_to_come_back_tomorrow_is_given_up_at_once() -> None:
    shared = make(Time())
    with pytest.raises(EndpointError, match="asks to wait 80000 s"):
        shared.refused(await shared.turn(), RateLimitError("the daily limit", 80_000))


async def test_a_reply_that_says_nothing_is_left_holds_the_next_call_back() -> None:
    time = Time()
    shared = make(time)
    headers = {"limit": "30", "remaining": "0", "reset": "6m0s"}
    shared.read_headers({f"x-ratelimit-{name}-requests": value for name, value in headers.items()})
    await shared.turn()
    assert time.now == pytest.approx(112.0)
    shared.read_headers(
        {f"x-ratelimit-{name}-requests": value for name, value in {**headers, "remaining": "3"}.items()}
    )
    shared.read_headers({"x-ratelimit-remaining-requests": "0"})
    await shared.turn()
    assert time.now < 113.0


@pytest.mark.parametrize("reset", ["9" * 400, "9999999h", "86400"])
@pytest.mark.parametrize("limit", ["1", "9" * 400, "9" * 5000, "²"])
async def test_a_reply_that_says_nothing_is_left_for_very_long_does_not_hold_all_back_for_ever(
    reset: str, limit: str
) -> None:
    shared = make(Time())
    headers = {"limit": limit, "remaining": "0", "reset": reset}
    shared.read_headers({f"x-ratelimit-{name}-requests": value for name, value in headers.items()})
    assert shared._wait_s() <= LONGEST_REFUSAL_S


async def test_waiting_on_the_limit_is_shown_while_it_lasts() -> None:
    stream = io.StringIO()
    time = Time()
    shared = make(time)
    for call in [await shared.turn() for _ in range(4)]:
        shared.refused(call, RateLimitError("slow down", 66.0))
    with progress_bar("feedback", total=2, stream=stream, clock=time.clock) as bar:
        await shared.turn()
        assert limits.WAITING not in bar.line()
        bar.advance(2)
    lines = stream.getvalue().splitlines()
    # Nothing was counted meanwhile, and still a line came every 30 s.
    assert [f"({limits.WAITING})" in line for line in lines] == [True, True, False]


class TestSharing:
    def test_by_endpoint_and_key(self) -> None:
        assert limits_of("http://a", "k") is limits_of("http://a", "k")
        assert limits_of("http://a", "k") is not limits_of("http://b", "k")
        assert limits_of("http://a", "k") is not limits_of("http://a", "l")

    def test_a_section_without_limits_joins_one_with(self) -> None:
        known = limits_of("http://known", "k", 500, None)
        assert limits_of("http://known", "k") is known
        assert limits_of("http://known", "k", 500, None) is known
        assert limits_of("http://known", "k", 600, None) is not known

    def test_strong_model_and_judge(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KEY_A", "a-secret-key")
        settings = {"base_url": "http://127.0.0.1:1/v1/", "api_key_env": "KEY_A"}
        strong = load_model(ModelConfig(model="openai/m", **settings), role="strong")
        judge = load_model(ModelConfig(model="openai/n", **settings), role="judge")
        other = load_model(ModelConfig(model="openai/m", base_url="http://127.0.0.1:2/v1"), role="weak")
        found = [model.connection.model.model.model.limits for model in (strong, judge, other)]  # type: ignore[attr-defined]
        assert found[0] is found[1] is not found[2]
        assert "a-secret-key" not in repr(limits._shared)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20ms", 0.02), ("1s", 1), ("6m0.5s", 360.5), ("1h2m", 3720), ("0.25", 0.25), ("", None), ("soon", None),
     ("2026-11-21T00:00:00Z", None)],
)  # fmt: skip
def test_durations(text: str, seconds: float | None) -> None:
    assert duration_s(text) == (seconds if seconds is None else pytest.approx(seconds))
