"""Several endpoints of one model: who gets a call, what happens when one fails, and what all failing looks like."""

import asyncio
import resource
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cowest.concurrency import map_in_flight
from cowest.errors import (
    BudgetError,
    CompletionError,
    CowestError,
    EndpointError,
    InputError,
    RateLimitError,
    TransientEndpointError,
    UnreachableError,
    UnrecognizedReplyError,
)
from cowest.ledger import Ledger
from cowest.models import ModelConfig, load_model
from cowest.models.budgeted import Budgeted
from cowest.models.config import Price
from cowest.models.endpoints import Balanced, Endpoints
from cowest.models.found_concurrency import FoundConcurrency
from cowest.models.found_limit import FoundLimit
from cowest.models.limits import EndpointLimits
from cowest.models.paced import Paced
from cowest.models.providers.scripted import Reply, ScriptedModel
from cowest.models.retrying import Retrying
from cowest.pipeline import Pipeline
from cowest.pipeline.provenance import FEEDBACK_DEPENDENCIES
from cowest.recipe import make_recipe
from cowest.types import ChatRequest, Completion, Message, Usage

Script = Callable[[ChatRequest], Reply | Awaitable[Reply]]


def request(number: int = 0) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=f"question {number}"),))


def config(num: int = 3, **settings: Any) -> ModelConfig:
    urls = tuple(f"http://127.0.0.{number + 1}:9/v1" for number in range(num))
    return ModelConfig(**{"model": "openai/m", "base_url": urls, **settings})


def endpoints(*scripts: Script) -> tuple[Balanced, list[ScriptedModel]]:
    models = [ScriptedModel(script) for script in scripts]
    each = Endpoints(config(len(scripts)), models, clock=lambda: asyncio.get_running_loop().time())
    return Balanced(each, [each] * len(models)), models


def limited(scripts: Sequence[Script], limits: Sequence[int]) -> tuple[Retrying, list[ScriptedModel]]:
    """Endpoints of which each takes so many calls at once; the others wait for it."""
    models = [ScriptedModel(script) for script in scripts]
    clock = lambda: asyncio.get_running_loop().time()  # noqa: E731
    each, called = Endpoints(config(len(scripts)), models, clock=clock), []
    for limit in limits:
        paced = Paced(each, EndpointLimits(6e6, clock=clock))
        called.append(FoundConcurrency(paced, paced.limits, found=FoundLimit(limit, limit)))
    return Retrying(Balanced(each, called)), models


def virtual(work: Callable[[], Awaitable[Any]]) -> Any:
    """Runs `work` in virtual time."""
    loop = looptime.new_event_loop(start=1000.0)
    try:
        return loop.run_until_complete(work())
    finally:
        loop.close()


def after(seconds: float, reply: Reply) -> Script:
    async def script(request: ChatRequest) -> Reply:
        await asyncio.sleep(seconds)
        return reply

    return script


def failing(error: CowestError) -> Script:
    return lambda request: error


async def a_second(request: ChatRequest) -> str:
    await asyncio.sleep(1.0)
    return "whole"


def say(text: str) -> Script:
    return lambda request: text


class TestChoice:
    @settings(max_examples=12, deadline=None)
    @given(st.lists(st.floats(0.1, 3.0), min_size=2, max_size=5), st.integers(1, 30))
    def test_the_one_with_the_fewest_gets_the_next(self, latencies: list[float], num_calls: int) -> None:
        in_flight = [0] * len(latencies)

        def script(index: int) -> Script:
            async def reply(request: ChatRequest) -> str:
                assert in_flight[index] == min(in_flight)
                in_flight[index] += 1
                await asyncio.sleep(latencies[index])
                in_flight[index] -= 1
                return "whole"

            return reply

        async def run() -> None:
            model, _ = endpoints(*map(script, range(len(latencies))))

            async def call(number: int) -> None:
                await asyncio.sleep(0.05 * number)
                await model.complete(request(number))

            await asyncio.gather(*map(call, range(num_calls)))

        virtual(run)

    def test_a_fast_endpoint_gets_more(self) -> None:
        async def slow(request: ChatRequest) -> str:
            await asyncio.sleep(3.0)
            return "whole"

        async def run() -> list[int]:
            model, models = endpoints(slow, a_second)

            async def caller() -> None:
                for _ in range(10):
                    await model.complete(request())

            await asyncio.gather(*(caller() for _ in range(8)))
            return [len(each.requests) for each in models]

        slow_calls, fast_calls = virtual(run)
        assert fast_calls > 2 * slow_calls > 0

    def test_one_that_takes_few_calls_does_not_hold_back_the_others(self) -> None:
        async def run() -> float:
            model, _ = limited([after(10.0, "whole"), after(1.0, "whole")], [4, 500])
            start = asyncio.get_running_loop().time()
            await map_in_flight(lambda number: model.complete(request(number)), range(1500))
            return asyncio.get_running_loop().time() - start

        assert virtual(run) < 25.0  # 69 calls at once at the second one would need 22 s more than the first one's 10


FAULTS = [
    UnreachableError("refused"),
    TransientEndpointError("503"),
    TransientEndpointError("timed out", may_be_billed=True),
    RateLimitError("429"),
    EndpointError("404"),
    UnrecognizedReplyError("a web page"),
]


class TestFailures:
    def test_calls_that_wait_for_a_silent_endpoint_go_elsewhere(self) -> None:
        async def run() -> tuple[float, int]:
            silent = after(120.0, TransientEndpointError("timed out"))
            model, models = limited([silent, after(1.0, "whole")], [4, 16])
            start = asyncio.get_running_loop().time()
            await map_in_flight(lambda number: model.complete(request(number)), range(100))
            return asyncio.get_running_loop().time() - start, len(models[0].requests)

        seconds, num_silent = virtual(run)
        assert seconds < 130.0  # one timeout; each round of calls that are sent there would add another
        assert num_silent == 4

    @pytest.mark.parametrize("error", FAULTS, ids=str)
    def test_a_call_that_failed_at_one_goes_to_another_at_once(self, error: CowestError) -> None:
        async def run() -> None:
            model, models = endpoints(failing(error), say("whole"))
            for number in range(20):
                assert (await model.complete(request(number))).text == "whole"
            assert asyncio.get_running_loop().time() == 1000.0
            if not isinstance(error, RateLimitError):  # one that refuses is left to its limits
                assert len(models[0].requests) <= 3

        virtual(run)

    def test_what_is_the_requests_fault_is_not_sent_elsewhere(self) -> None:
        async def run() -> None:
            model, models = endpoints(failing(CompletionError("filtered")), failing(CompletionError("filtered")))
            with pytest.raises(CompletionError, match="filtered"):
                await model.complete(request())
            assert sum(len(each.requests) for each in models) == 1

        virtual(run)

    def test_a_dead_endpoint_costs_few_calls_and_comes_back(self) -> None:
        async def run() -> None:
            comes_back_at = 1100.0

            async def dead_for_a_while(request: ChatRequest) -> Reply:
                if asyncio.get_running_loop().time() < comes_back_at:
                    return UnreachableError("refused")
                return await a_second(request)

            model, models = endpoints(a_second, dead_for_a_while)

            async def caller(until: float) -> None:
                while asyncio.get_running_loop().time() < until:
                    assert (await model.complete(request())).text == "whole"

            await asyncio.gather(*(caller(comes_back_at) for _ in range(4)))
            assert 5 <= len(models[1].requests) <= 10  # at 0, 1, 3, 7, 15, 31 and 63 s
            before = [len(each.requests) for each in models]
            await asyncio.gather(*(caller(1300.0) for _ in range(4)))
            first, second = (len(each.requests) - num for each, num in zip(models, before, strict=True))
            assert second > 0.5 * first

        virtual(run)

    def test_a_hung_endpoint_holds_only_what_it_had(self) -> None:
        async def run() -> None:
            async def hung(request: ChatRequest) -> Reply:
                await asyncio.sleep(120.0)
                return TransientEndpointError("timed out", may_be_billed=True)

            model, models = endpoints(a_second, hung, a_second)

            async def caller() -> None:
                while asyncio.get_running_loop().time() < 1110.0:
                    await model.complete(request())

            await asyncio.gather(*(caller() for _ in range(12)))
            assert len(models[1].requests) < 12
            assert len(models[0].requests) > 300

        virtual(run)

    def test_all_dead_is_the_error_of_one_in_bounded_time(self) -> None:
        async def run() -> float:
            model, _ = endpoints(*[failing(UnreachableError("m cannot be reached (connection refused)."))] * 3)
            started = asyncio.get_running_loop().time()
            with pytest.raises(TransientEndpointError, match=r"Given up after 8 attempts.*connection refused"):
                await Retrying(model).complete(request())
            return asyncio.get_running_loop().time() - started

        assert virtual(run) < 100

    def test_all_wrong_for_good_ends_at_once(self) -> None:
        async def run() -> None:
            model, models = endpoints(*[failing(EndpointError("401: wrong key"))] * 3)
            with pytest.raises(EndpointError, match="wrong key") as caught:
                await Retrying(model).complete(request())
            assert not isinstance(caught.value, TransientEndpointError)
            assert [len(each.requests) for each in models] == [1, 1, 1]
            assert asyncio.get_running_loop().time() == 1000.0

        virtual(run)

    def test_one_wrong_for_good_does_not_end_what_others_may_do_later(self) -> None:
        async def run() -> None:
            async def away_for_a_while(request: ChatRequest) -> Reply:
                return UnreachableError("refused") if asyncio.get_running_loop().time() < 1010.0 else "whole"

            model, _ = endpoints(failing(EndpointError("404: no such model")), away_for_a_while)
            assert (await Retrying(model).complete(request())).text == "whole"

        virtual(run)

    def test_a_cancelled_call_leaves_nothing_behind(self) -> None:
        async def run() -> None:
            model, _ = endpoints(a_second, a_second)
            tasks = [asyncio.ensure_future(model.complete(request())) for _ in range(10)]
            await asyncio.sleep(0.5)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert [each.num_held for each in model._endpoints.each] == [0, 0]
            await model.complete(request())

        virtual(run)


class TestOfARecipe:
    def test_calls_have_the_same_keys_whatever_the_endpoints(self) -> None:
        identities = {load_model(config(num), role="strong").identity for num in (1, 2, 3)}
        turned = config().model_copy(update={"base_url": config().base_url[::-1]})
        assert identities == {load_model(turned, role="strong").identity}
        assert "127" not in identities.pop()

    def test_one_address_that_is_no_list_keeps_its_key(self) -> None:
        single = load_model(ModelConfig(model="openai/m", base_url="http://127.0.0.1:9/v1"), role="strong")
        assert single.identity == "http://127.0.0.1:9/v1|m|{}"

    def test_no_stage_depends_on_which_and_how_many_there_are(self, tmp_path: Path) -> None:
        def inputs_of(urls: Sequence[str] | str) -> dict[str, Any]:
            sections = {name: {"model": f"openai/{name}", "base_url": urls} for name in ("weak", "strong", "judge")}
            data = {"run": str(tmp_path), "task": {"name": "tests.worlds:Sums"}, **sections}
            provenance = Pipeline(make_recipe(data)).context.provenance
            return provenance.inputs(FEEDBACK_DEPENDENCIES, ()).to_json()

        urls = config().base_url
        assert isinstance(urls, tuple)
        assert inputs_of(urls) == inputs_of(urls[::-1]) == inputs_of(urls[:1])
        assert inputs_of(urls) != inputs_of(urls[0])

    def test_each_has_its_own_limits(self) -> None:
        balanced: Any = load_model(config(), role="strong").connection.model.model
        assert isinstance(balanced, Balanced)
        limits = {id(each.model.limits) for each in balanced._models.values()}
        assert len(limits) == 3

    def test_the_cap_is_one_for_all(self) -> None:
        model: Any = load_model(config(max_concurrency=5), role="strong").connection.model.model
        assert model.max_concurrency == 5
        assert isinstance(model.model, Balanced)

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"base_url": ()}, "at least 1"),
            ({"base_url": ("http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1/")}, "twice"),
            ({"model": "anthropic/claude"}, "openai"),
            ({"batch": True}, "batch"),
        ],
    )
    def test_a_list_that_cannot_be(self, wrong: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            config(**wrong)

    def test_every_address_is_checked(self) -> None:
        with pytest.raises(InputError, match="no-address"):
            load_model(config(base_url=("http://127.0.0.1:9/v1", "no-address")), role="strong")

    def test_the_price_is_the_highest_that_an_endpoint_may_have(self) -> None:
        usage = Usage(prompt_tokens=1000, completion_tokens=1000)
        assert config(price=Price(input=1, output=2)).cost_usd(usage) == pytest.approx(0.003)
        assert (
            config(base_url=("https://api.openai.com/v1", "http://127.0.0.1:9/v1"), model="openai/gpt-4.1").cost_usd(
                usage
            )
            is None
        )


def test_connections_to_all_endpoints_fit_into_the_limit_on_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4096, 4096))
    retrying = load_model(config(8), role="strong").connection.model
    assert isinstance(retrying, Retrying)
    assert isinstance(retrying.model, Balanced)
    limits = [each.found for each in retrying.model._models.values() if isinstance(each, FoundConcurrency)]
    for limit in limits:  # as endpoints that take any number
        now = 0.0
        for _ in range(8000):
            now += 1 / limit.limit
            limit.answered(now, limit.limit, is_full=True)
    assert len(limits) == 8
    assert sum(limit.limit for limit in limits) < 4096


def test_the_budget_is_one_for_all() -> None:
    async def run() -> None:
        async def paid(request: ChatRequest) -> Completion:
            await asyncio.sleep(1.0)
            return Completion(text="whole", finish_reason="stop", cost_usd=0.01, usage=Usage(prompt_tokens=1))

        models = [ScriptedModel(paid) for _ in range(3)]
        each = Endpoints(config(), models, clock=lambda: asyncio.get_running_loop().time())
        price = Price(input=0, output=1e6 * 0.01)
        priced = config(price=price)
        budget = Budgeted(each, 0.105, cost=priced.cost_usd, max_tokens=1)
        model = Balanced(each, [budget] * 3)
        done = await asyncio.gather(*(model.complete(request(n)) for n in range(30)), return_exceptions=True)
        assert sum(isinstance(reply, BudgetError) for reply in done) == 20
        assert sum(len(one.requests) for one in models) == 10

    virtual(run)


async def test_what_is_not_kept_of_a_reply_is_not_in_the_ledger(tmp_path: Path) -> None:
    reply = Completion(text="sure", finish_reason="stop", tokens=("sure",), token_logprobs=(-0.1,))
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        for keep in (True, False):
            section = ModelConfig(model="openai/m", base_url="http://127.0.0.1:9/v1", keep_logprobs=keep)
            model = load_model(section, role=f"role {keep}", ledger=ledger)
            provider: Any = model.connection.provider
            provider.complete = ScriptedModel([reply]).complete
            kept = await model.complete(request())
            assert (kept.token_logprobs is not None) is keep
            found = ledger.lookup(ledger.key(model.role, model.name, model.identity, request()))
            assert found == kept
