"""What holds for every provider behind HTTP."""

import asyncio
import gc
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from cowest import plugins
from cowest.models.config import ModelConfig
from cowest.models.providers._remote import RemoteModel
from cowest.types import ChatRequest
from tests.models.providers.endpoint import Endpoint, chat
from tests.models.providers.replies import anthropic_reply, google_reply

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


def load(provider: str, endpoint: Endpoint) -> RemoteModel[Any]:
    url = endpoint.url if provider == "openai" else endpoint.root
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
