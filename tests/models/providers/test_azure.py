import asyncio
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from cowest.errors import CompletionError, EndpointError, InputError
from cowest.models.config import ModelConfig
from cowest.models.providers.azure import AzureModel
from cowest.types import ChatRequest
from tests.models.providers.endpoint import Endpoint

Ask = Callable[..., ChatRequest]
KEY = "azure-very-secret-key"

REPLY = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4.1-2025-04-14",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
}  # fmt: skip


@pytest.fixture(autouse=True)
def ready(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    endpoint.body = REPLY


def load(url: str | None, **changes: Any) -> AzureModel:
    defaults = {"model": "azure/ours", "base_url": url, "api_key_env": "AZURE_OPENAI_API_KEY", "timeout_s": 10}
    return AzureModel.from_config(ModelConfig(**{**defaults, **changes}), 0)


@pytest.mark.parametrize("ending", ["", "/", "/openai", "/openai/v1/"])
def test_v1_interface(endpoint: Endpoint, ask: Ask, ending: str) -> None:
    completion = asyncio.run(load(endpoint.root + ending).complete(ask("hi", max_tokens=7)))
    assert completion.text == "hello"
    assert endpoint.paths == ["/openai/v1/chat/completions"]
    assert endpoint.heard[0]["authorization"] == f"Bearer {KEY}"
    assert endpoint.asked[0]["model"] == "ours"
    assert endpoint.asked[0]["max_completion_tokens"] == 7


# YAML reads the plain one as a date.
@pytest.mark.parametrize("version", [datetime.date(2024, 10, 21), "2025-01-01-preview"])
def test_dated_interface(endpoint: Endpoint, ask: Ask, version: Any) -> None:
    model = load(endpoint.root, options={"api_version": version, "reasoning_effort": "low"})
    assert asyncio.run(model.complete(ask("hi"))).text == "hello"
    assert endpoint.paths == [f"/openai/deployments/ours/chat/completions?api-version={version}"]
    assert endpoint.heard[0]["api-key"] == KEY
    assert endpoint.asked[0]["reasoning_effort"] == "low"
    assert "api_version" not in endpoint.asked[0]


def test_price_is_that_of_the_model_behind_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load("https://ours.openai.azure.com")
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    cost = model._completion({**REPLY, "usage": usage}, 0.0).cost_usd
    assert cost == pytest.approx(0.0028)


def test_filtered_prompt_is_this_requests_failure(endpoint: Endpoint, ask: Ask) -> None:
    message = "The response was filtered due to the prompt triggering the content management policy."
    endpoint.status, endpoint.body = 400, {"error": {"code": "content_filter", "message": message}}
    with pytest.raises(CompletionError, match="content management policy"):
        asyncio.run(load(endpoint.root).complete(ask()))


@pytest.mark.parametrize("options", [{}, {"api_version": "2024-10-21"}])
def test_redirect_is_not_followed(endpoint: Endpoint, ask: Ask, options: dict[str, str]) -> None:
    endpoint.status, endpoint.body = 307, b""
    endpoint.headers = {"Location": f"{endpoint.root}/elsewhere"}
    with pytest.raises(EndpointError, match="redirects"):
        asyncio.run(load(endpoint.root, options=options).complete(ask()))
    assert len(endpoint.paths) == 1


def test_needs_the_resource_and_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"base_url: https://RESOURCE"):
        load(None)
    monkeypatch.delenv("AZURE_OPENAI_API_KEY")
    with pytest.raises(InputError, match="AZURE_OPENAI_API_KEY is not set"):
        load("https://ours.openai.azure.com", api_key_env=None)


def test_identity_tells_interfaces_apart() -> None:
    url = "https://ours.openai.azure.com"
    models = [load(url), load(url, options={"api_version": "2024-10-21"}), load(url, options={"seed": 1})]
    assert len({model.identity for model in models}) == 3
    assert load(url + "/openai/v1/").identity == models[0].identity
