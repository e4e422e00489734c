"""What holds for every provider behind HTTP."""

import asyncio
import contextlib
import gc
import socket
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from cowest import plugins
from cowest.errors import CompletionError, UnreachableError
from cowest.models.config import ModelConfig, Price
from cowest.models.providers import _remote_failures
from cowest.models.providers._remote import RemoteModel
from cowest.models.providers.openai import OpenAIModel
from cowest.types import ChatRequest, Usage
from tests.models.providers.endpoint import Endpoint, chat
from tests.models.providers.replies import anthropic_reply, google_reply, openai_reply

Ask = Callable[..., ChatRequest]
KEY = "a-key-that-is-sent-back"
REPLIES: dict[str, Callable[[str], Any]] = {
    "openai": lambda text: chat(lambda request: text),
    "azure": lambda text: chat(lambda request: text),
    "anthropic": anthropic_reply,
    "google": google_reply,
}


@pytest.fixture(params=REPLIES)
def provider(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COWEST_TEST_KEY", KEY)
    return str(request.param)


def load(provider: str, endpoint: Endpoint | str) -> RemoteModel[Any]:
    url = endpoint if isinstance(endpoint, str) else endpoint.url if provider == "openai" else endpoint.root
    config = ModelConfig(model=f"{provider}/m", base_url=url, api_key_env="COWEST_TEST_KEY", timeout_s=10)
    model: RemoteModel[Any] = plugins.load(provider, "cowest.models.providers", "provider").from_config(config, 0)
    return model


def test_every_provider_behind_http_is_here() -> None:
    names = plugins.choices("cowest.models.providers")
    classes = {name: plugins.load(name, "cowest.models.providers", "provider") for name in names}
    assert {name for name, made in classes.items() if issubclass(made, RemoteModel)} == set(REPLIES)


def test_one_connection_for_each_event_loop_and_all_closed(provider: str, endpoint: Endpoint, ask: Ask) -> None:
    endpoint.body = REPLIES[provider]("hello")
    model = load(provider, endpoint)

    async def several() -> None:
        for _ in range(3):
            assert (await model.complete(ask())).text == "hello"

    async def closing() -> None:
        await several()
        await model.close()
        await several()
        await model.close()
        await model.close()

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(several())
        asyncio.run(several())
        asyncio.run(closing())
        gc.collect()
    assert not [str(each.message) for each in warned if issubclass(each.category, ResourceWarning)]
    assert len(endpoint.asked) == 12
    assert len(endpoint.connections) == 4


def test_a_key_in_the_reply_is_not_kept(provider: str, endpoint: Endpoint, ask: Ask) -> None:
    endpoint.body = REPLIES[provider](f"You sent {KEY}.")
    assert asyncio.run(load(provider, endpoint).complete(ask())).text == "You sent [key]."


def test_a_key_in_what_surrounds_the_reply_is_not_kept(endpoint: Endpoint, ask: Ask, monkeypatch: Any) -> None:
    monkeypatch.setenv("COWEST_TEST_KEY", KEY)
    model = load("openai", endpoint)
    endpoint.body = openai_reply("hello", tokens=[(KEY[:5], -0.5), (KEY[5:], -0.5)])
    endpoint.body["choices"][0]["finish_reason"] = KEY
    completion = asyncio.run(model.complete(ask()))
    assert completion.finish_reason == "[key]"
    assert completion.tokens is None
    assert isinstance(model, OpenAIModel)
    for place in ("code", "type", "param", "message"):
        error = {"code": "x", "message": "y", place: KEY}
        for row in ({"error": error}, {"response": {"status_code": 400, "body": {"error": error}}}):
            with pytest.raises(CompletionError) as caught:
                model.batch_reply(row, 0.0)
            assert KEY not in str(caught.value)
    row = {"response": {"status_code": 200, "body": openai_reply(f"You sent {KEY}.")}}
    assert model.batch_reply(row, 0.0).text == "You sent [key]."


def test_an_address_where_nothing_answers_is_unreachable_long_before_a_request_times_out(
    provider: str, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_remote_failures, "LONGEST_CONNECTING_S", 0.1)
    with socket.socket() as silent, contextlib.ExitStack() as held:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for _ in range(2):  # as many as the queue holds; what comes after them gets no answer
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        model = load(provider, url)
        with pytest.raises(UnreachableError, match="no connection within") as caught:
            asyncio.run(model.complete(ask()))
    assert not caught.value.may_be_billed


@pytest.mark.parametrize(
    "usage",
    [
        None, [], "12", {}, {"prompt_tokens": -1, "completion_tokens": 5},
        {"prompt_tokens": "1", "completion_tokens": 5},
        {"prompt_tokens": 1}, {"prompt_tokens": 10**20, "completion_tokens": 5},
        {"prompt_tokens": float("nan"), "completion_tokens": 5},
    ],
)  # fmt: skip
def test_counts_that_cannot_be_are_none(endpoint: Endpoint, ask: Ask, usage: Any) -> None:
    endpoint.body = openai_reply("hello") | {"usage": usage}
    config = ModelConfig(model="openai/m", base_url=endpoint.url, price=Price(input=1, output=1))
    completion = asyncio.run(OpenAIModel.from_config(config, 0).complete(ask()))
    assert (completion.text, completion.usage, completion.cost_usd) == ("hello", Usage(), None)


@pytest.mark.parametrize("cost", [-1, "0.1", float("nan"), float("inf"), True])
def test_a_charge_that_cannot_be_is_none(endpoint: Endpoint, ask: Ask, cost: Any) -> None:
    endpoint.body = openai_reply("hello", cost=cost)
    assert asyncio.run(load("openai", endpoint).complete(ask())).cost_usd is None
