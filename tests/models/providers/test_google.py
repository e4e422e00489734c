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
from cowest.models.providers.google import GoogleModel
from cowest.types import ChatRequest, Completion, Message, Sampling, Usage
from tests.models.providers.endpoint import Endpoint
from tests.models.providers.replies import google_reply as reply

Ask = Callable[..., ChatRequest]
KEY = "AIza-very-secret-key"


def error_body(status: str = "INVALID_ARGUMENT", message: str = "it went wrong", **detail: str) -> dict[str, Any]:
    return {"error": {"code": 400, "message": message, "status": status, "details": [detail] if detail else []}}


@pytest.fixture(autouse=True)
def ready(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    # Neither may send the calls elsewhere.
    monkeypatch.setenv("GOOGLE_API_KEY", "another-secret")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    endpoint.body = reply("hello")


def load(url: str | None, **changes: Any) -> GoogleModel:
    defaults = {"model": "google/gemini-x", "base_url": url, "api_key_env": "GEMINI_API_KEY", "timeout_s": 10}
    return GoogleModel.from_config(ModelConfig(**{**defaults, **changes}), 0)


def complete(model: GoogleModel, request: ChatRequest) -> Completion:
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
    options = {"thinking_config": {"thinking_budget": 0}}
    completion = complete(load(endpoint.root, price=Price(input=2.0, output=10.0), options=options), request)
    (asked,) = endpoint.asked
    assert asked["contents"] == [
        {"role": "user", "parts": [{"text": "hi"}]},
        {"role": "model", "parts": [{"text": "yes?"}]},
        {"role": "user", "parts": [{"text": "go on"}]},
    ]
    assert asked["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    generation = asked["generationConfig"]
    assert list(generation.pop("thinkingConfig").values()) == [0]
    assert generation == {"temperature": 0.5, "topP": 0.9, "maxOutputTokens": 7, "stopSequences": ["x"]}
    assert endpoint.paths[0].endswith("/models/gemini-x:generateContent")
    assert endpoint.heard[0]["x-goog-api-key"] == KEY
    assert (completion.text, completion.finish_reason) == ("hello", "stop")
    assert completion.usage == Usage(prompt_tokens=1000, completion_tokens=100)
    assert completion.cost_usd == pytest.approx(0.003)


def test_settings_that_are_not_set_are_not_sent(endpoint: Endpoint, ask: Ask) -> None:
    assert complete(load(endpoint.root), ask("hi")).cost_usd is None
    assert endpoint.asked[0]["generationConfig"] == {"temperature": 1.0}
    assert "systemInstruction" not in endpoint.asked[0]


def test_reply_cut_by_the_limit_is_a_reply(endpoint: Endpoint, ask: Ask) -> None:
    endpoint.body = reply("half a", finish_reason="MAX_TOKENS")
    assert complete(load(endpoint.root), ask()).finish_reason == "length"


def test_thoughts_are_paid_for_and_no_part_of_the_reply(endpoint: Endpoint, ask: Ask) -> None:
    endpoint.body = reply({"text": "hm", "thought": True}, "one", " two", thoughtsTokenCount=50)
    completion = complete(load(endpoint.root), ask())
    assert completion.text == "one two"
    assert completion.usage.completion_tokens == 150


def test_cached_tokens_cost_less() -> None:
    model = load(None, model="google/gemini-2.5-flash")
    whole, cached = (
        model._completion(reply("hello", candidatesTokenCount=10, cachedContentTokenCount=count), 0.0).cost_usd
        for count in (0, 800)
    )
    assert whole is not None
    assert cached is not None
    assert 0 < cached < whole


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (reply("half a", finish_reason="SAFETY"), "SAFETY"),
        (reply("half a", finish_reason="RECITATION"), "RECITATION"),
        (reply("half a", finish_reason="A_NEW_REASON"), "A_NEW_REASON"),
        (reply("half a", finish_reason=None), "without a finish reason"),
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "PROHIBITED_CONTENT"),
        (reply(), "empty reply"),
        (reply(" \n"), "empty reply"),
        (reply(finish_reason="MAX_TOKENS"), "higher sampling.max_tokens"),
    ],
)
def test_what_is_no_reply(endpoint: Endpoint, ask: Ask, body: Any, says: str) -> None:
    error = failure(endpoint, ask(), 200, body)
    assert isinstance(error, CompletionError)
    assert says in str(error)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass(endpoint: Endpoint, ask: Ask, status: int) -> None:
    error = failure(endpoint, ask(), status, error_body("UNAVAILABLE"), **{"Retry-After": "17"})
    assert isinstance(error, TransientEndpointError)
    assert error.retry_after_s == 17
    assert "it went wrong" in str(error)
    assert len(endpoint.asked) == 1


def test_wait_that_stands_in_the_body(endpoint: Endpoint, ask: Ask) -> None:
    body = error_body("RESOURCE_EXHAUSTED", retryDelay="2.5s")
    error = failure(endpoint, ask(), 429, body)
    assert isinstance(error, TransientEndpointError)
    assert error.retry_after_s == 2.5


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, error_body(reason="API_KEY_INVALID"), "api_key_env"),
        (401, error_body("UNAUTHENTICATED"), "api_key_env"),
        (403, error_body("PERMISSION_DENIED"), "may use this model"),
        (404, error_body("NOT_FOUND"), "model's name"),
        (302, b"", "redirects"),
    ],
)
def test_what_fails_for_good(endpoint: Endpoint, ask: Ask, status: int, body: Any, says: str) -> None:
    error = failure(endpoint, ask(), status, body, Location=f"{endpoint.root}/elsewhere")
    assert type(error) is EndpointError
    assert says in str(error)
    assert len(endpoint.paths) == 1


def test_what_is_no_reply_at_all(endpoint: Endpoint, ask: Ask) -> None:
    error = failure(endpoint, ask(), 200, {"hello": "world"})
    assert type(error) is UnrecognizedReplyError
    assert "did not answer like" in str(error)


def test_request_that_is_refused(endpoint: Endpoint, ask: Ask) -> None:
    error = failure(endpoint, ask(), 400, error_body(message="the prompt is too long"))
    assert type(error) is CompletionError
    assert "the prompt is too long" in str(error)


def test_reply_that_is_not_json(endpoint: Endpoint, ask: Ask) -> None:
    assert type(failure(endpoint, ask(), 200, b'{"candidates": [{"con')) is BrokenReplyError


def test_key_is_in_no_error(endpoint: Endpoint, ask: Ask) -> None:
    for status, body in [
        (401, error_body(message=f"wrong key {KEY}")),
        (400, error_body(message=f"{KEY} " * 50)),
        (500, KEY.encode()),
        (200, {"x": KEY}),
        (200, {"candidates": KEY}),
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
        monkeypatch.delenv("GEMINI_API_KEY")
        with pytest.raises(InputError, match="GEMINI_API_KEY is not set"):
            load(None, api_key_env=None)

    def test_package_that_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "google.genai", None)
        with pytest.raises(InputError, match=r"pip install 'cowest\[google\]'"):
            load(None)

    @pytest.mark.parametrize("options", [{"temperature": 3}, {"thinking_budget": 3}, {"thinking_config": 3}])
    def test_options(self, options: dict[str, Any]) -> None:
        with pytest.raises(InputError, match=next(iter(options))):
            load(None, options=options)

    def test_identity(self) -> None:
        models = [load(None), load("http://127.0.0.1:1"), load(None, options={"seed": 1})]
        assert len({model.identity for model in models}) == 3
        assert KEY not in "".join(model.identity for model in models)
