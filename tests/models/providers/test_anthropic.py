import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from cowest.errors import (
    BrokenReplyError,
    CompletionError,
    CowestError,
    EndpointError,
    InputError,
    TransientEndpointError,
    UnrecognizedReplyError,
)
from cowest.models.config import ModelConfig, Price
from cowest.models.providers.anthropic import AnthropicModel
from cowest.types import ChatRequest, Completion, Message, Sampling, Usage
from tests.models.providers.endpoint import Endpoint
from tests.models.providers.replies import anthropic_reply as reply

Ask = Callable[..., ChatRequest]
KEY = "sk-ant-very-secret-key"
OTHER = "a-token-of-the-environment-that-was-not-asked-for"


def error_body(kind: str = "some_error", message: str = "it went wrong") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


@pytest.fixture(autouse=True)
def ready(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", OTHER)
    endpoint.body = reply("hello")


def load(url: str | None, **changes: Any) -> AnthropicModel:
    defaults = {"model": "anthropic/claude-x", "base_url": url, "api_key_env": "ANTHROPIC_API_KEY", "timeout_s": 10}
    return AnthropicModel.from_config(ModelConfig(**{**defaults, **changes}), 0)


def complete(model: AnthropicModel, request: ChatRequest) -> Completion:
    return asyncio.run(model.complete(request))


def failure(endpoint: Endpoint, request: ChatRequest, status: int, body: Any, **headers: str) -> CowestError:
    endpoint.status, endpoint.body, endpoint.headers = status, body, headers
    with pytest.raises(CowestError) as caught:
        complete(load(endpoint.root), request)
    return caught.value


def test_what_is_sent_and_what_comes_back(endpoint: Endpoint) -> None:
    turns = (("system", "Be brief."), ("user", "hi"), ("assistant", "yes?"), ("user", "go on"))
    request = ChatRequest(
        messages=tuple(Message(role=role, content=text) for role, text in turns),
        sampling=Sampling(temperature=0.5, top_p=0.9, max_tokens=7, stop=("x",)),
    )
    model = load(endpoint.root, price=Price(input=2.0, output=10.0), options={"service_tier": "standard_only"})
    completion = complete(model, request)
    assert endpoint.asked == [
        {
            "model": "claude-x", "system": "Be brief.", "max_tokens": 7, "temperature": 0.5, "top_p": 0.9,
            "stop_sequences": ["x"], "service_tier": "standard_only",
            "messages": [{"role": role, "content": text} for role, text in turns[1:]],
        }
    ]  # fmt: skip
    assert endpoint.paths == ["/v1/messages"]
    assert endpoint.heard[0]["authorization"] == f"Bearer {KEY}"
    assert OTHER not in str(endpoint.heard)
    assert (completion.text, completion.finish_reason) == ("hello", "stop")
    assert completion.usage == Usage(prompt_tokens=1000, completion_tokens=100)
    assert completion.cost_usd == pytest.approx(0.003)


def test_settings_that_are_not_set(endpoint: Endpoint, ask: Ask) -> None:
    assert complete(load(endpoint.root), ask("hi")).cost_usd is None
    # The interface wants a limit, and temperature 1 is its default.
    assert set(endpoint.asked[0]) == {"model", "messages", "max_tokens"}


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [("stop_sequence", "stop"), ("max_tokens", "length"), ("model_context_window_exceeded", "length")],
)
def test_reasons_to_stop(endpoint: Endpoint, ask: Ask, stop_reason: str, finish_reason: str) -> None:
    endpoint.body = reply("half a", stop_reason=stop_reason)
    assert complete(load(endpoint.root), ask()).finish_reason == finish_reason


def test_thoughts_are_no_part_of_the_reply(endpoint: Endpoint, ask: Ask) -> None:
    endpoint.body = reply("one", " two")
    endpoint.body["content"].insert(0, {"type": "thinking", "thinking": "hm", "signature": "s"})
    assert complete(load(endpoint.root), ask()).text == "one two"


def test_tokens_of_the_cache_are_part_of_the_prompt_at_their_own_price(endpoint: Endpoint, ask: Ask) -> None:
    endpoint.body = reply("hello", cache_read_input_tokens=2000, cache_creation_input_tokens=500)
    assert complete(load(endpoint.root), ask()).usage == Usage(prompt_tokens=3500, completion_tokens=100)

    model = load(None, model="anthropic/claude-sonnet-4-5")
    plain, read, written = (
        model._completion(reply("hello", **more), 0.0).cost_usd
        for more in ({}, {"cache_read_input_tokens": 1000}, {"cache_creation_input_tokens": 1000})
    )
    assert plain is not None
    assert read is not None
    assert written is not None
    whole = 1000 * 3.0 / 1e6  # USD of a thousand tokens of prompt at the list price
    assert 0 < read - plain < whole < written - plain


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (reply("no", stop_reason="refusal"), "refusal"),
        (reply("half a", stop_reason=None), "without a finish reason"),
        (reply("half a", stop_reason="tool_use"), "tool_use"),
        (reply(), "empty reply"),
        (reply(" \n"), "empty reply"),
        (reply(stop_reason="max_tokens"), "higher sampling.max_tokens"),
    ],
)
def test_what_is_no_reply(endpoint: Endpoint, ask: Ask, body: Any, says: str) -> None:
    error = failure(endpoint, ask(), 200, body)
    assert type(error) is (BrokenReplyError if says in ("without a finish reason", "empty reply") else CompletionError)
    assert says in str(error)


@pytest.mark.parametrize("status", [408, 429, 500, 529])
def test_what_may_pass(endpoint: Endpoint, ask: Ask, status: int) -> None:
    error = failure(endpoint, ask(), status, error_body(), **{"retry-after": "17"})
    assert isinstance(error, TransientEndpointError)
    assert error.retry_after_s == 17
    assert "it went wrong" in str(error)
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, error_body("authentication_error"), "api_key_env"),
        (403, error_body("permission_error"), "may use this model"),
        (404, error_body("not_found_error"), "model's name"),
        (402, error_body("billing_error"), "balance"),
        (400, error_body("invalid_request_error", "Your credit balance is too low"), "balance"),
        (302, b"", "redirects"),
    ],
)
def test_what_fails_for_good(endpoint: Endpoint, ask: Ask, status: int, body: Any, says: str) -> None:
    error = failure(endpoint, ask(), status, body, Location=f"{endpoint.root}/elsewhere")
    assert type(error) is EndpointError
    assert says in str(error)
    assert len(endpoint.paths) == 1


@pytest.mark.parametrize("body", [b'"welcome"', {"hello": "world"}])
def test_what_is_no_reply_at_all(endpoint: Endpoint, ask: Ask, body: Any) -> None:
    error = failure(endpoint, ask(), 200, body)
    assert type(error) is UnrecognizedReplyError
    assert "did not answer like" in str(error)


def test_request_that_is_refused(endpoint: Endpoint, ask: Ask) -> None:
    error = failure(endpoint, ask(), 400, error_body("invalid_request_error", "prompt is too long"))
    assert type(error) is CompletionError
    assert "prompt is too long" in str(error)


def test_reply_that_is_not_json(endpoint: Endpoint, ask: Ask) -> None:
    assert type(failure(endpoint, ask(), 200, b'{"id": "1", "cont')) is BrokenReplyError


def test_key_is_in_no_error(endpoint: Endpoint, ask: Ask) -> None:
    for status, body in [
        (401, error_body(message=f"wrong key {KEY}")),
        (400, error_body(message=f"{KEY} " * 50)),
        (500, KEY.encode()),
        (200, {"x": KEY}),
    ]:
        error = failure(endpoint, ask(), status, body)
        assert KEY not in str(error)
        assert error.__suppress_context__ or error.__context__ is None


def test_timeout_and_nobody_listening_may_pass(endpoint: Endpoint, ask: Ask) -> None:
    endpoint.release.clear()
    with pytest.raises(TransientEndpointError, match=r"within 0\.05 s"):
        complete(load(endpoint.root, timeout_s=0.05), ask())
    closed = Endpoint()
    closed.close()
    with pytest.raises(TransientEndpointError, match="cannot be reached"):
        complete(load(closed.root), ask())


class TestSettings:
    def test_key_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-another")
        monkeypatch.delenv("ANTHROPIC_API_KEY")
        with pytest.raises(InputError, match="ANTHROPIC_API_KEY is not set"):
            load(None, api_key_env=None)

    def test_package_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "anthropic", None)
        with pytest.raises(InputError, match=r"pip install 'cowest\[anthropic\]'"):
            load(None)

    def test_temperature_above_one(self) -> None:
        with pytest.raises(InputError, match="ends at 1"):
            load(None, sampling=Sampling(temperature=1.5))

    def test_option_that_is_set_elsewhere(self) -> None:
        with pytest.raises(InputError, match="max_tokens"):
            load(None, options={"max_tokens": 3})

    def test_identity(self) -> None:
        models = [load(None), load("http://127.0.0.1:1"), load(None, options={"service_tier": "auto"})]
        assert len({model.identity for model in models}) == 3
        assert KEY not in "".join(model.identity for model in models)
