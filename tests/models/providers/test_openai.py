import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from cowest.errors import (
    BrokenReplyError,
    CompletionError,
    CowestError,
    EndpointError,
    InputError,
    RateLimitError,
    TransientEndpointError,
    UnreachableError,
    UnrecognizedReplyError,
)
from cowest.models.config import ModelConfig, Price
from cowest.models.providers.openai import OpenAIModel
from cowest.types import ChatRequest, Completion, Usage
from tests.models.providers.endpoint import Endpoint

Ask = Callable[..., ChatRequest]
KEY = "sk-very-secret-key"


def reply(text: str | None = "hello", finish_reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, **more.pop("message", {})}
    return {
        "id": "1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, **more}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    }  # fmt: skip


@pytest.fixture(autouse=True)
def replying(endpoint: Endpoint) -> None:
    endpoint.body = reply()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def load(url: str | None, **changes: Any) -> OpenAIModel:
    defaults = {"model": "openai/m", "base_url": url, "api_key_env": "OPENAI_API_KEY", "timeout_s": 10}
    return OpenAIModel.from_config(ModelConfig(**{**defaults, **changes}), 0)


def complete(model: OpenAIModel, request: ChatRequest) -> Completion:
    return asyncio.run(model.complete(request))


def failure(endpoint: Endpoint, request: ChatRequest, status: int, body: Any, **headers: str) -> CowestError:
    endpoint.status, endpoint.body, endpoint.headers = status, body, headers
    with pytest.raises(CowestError) as caught:
        complete(load(endpoint.url), request)
    return caught.value


def error_body(message: str = "it went wrong", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": None, "code": None, **more}}


def test_what_is_sent_and_what_comes_back(endpoint: Endpoint, ask: Ask) -> None:
    model = load(endpoint.url, price=Price(input=2.0, output=10.0), options={"reasoning_effort": "low"})
    completion = complete(model, ask("hi", temperature=0.5, top_p=0.9, max_tokens=7, stop=("x",)))
    assert endpoint.asked == [
        {
            "model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5, "top_p": 0.9,
            "max_tokens": 7, "stop": ["x"], "reasoning_effort": "low",
        }
    ]  # fmt: skip
    assert endpoint.authorization == [f"Bearer {KEY}"]
    assert (completion.text, completion.finish_reason) == ("hello", "stop")
    assert completion.usage == Usage(prompt_tokens=1000, completion_tokens=100)
    assert completion.cost_usd == pytest.approx(0.003)
    assert completion.latency_s > 0
    assert completion.token_logprobs is None


def test_settings_that_are_not_set_are_not_sent(endpoint: Endpoint, ask: Ask) -> None:
    assert complete(load(endpoint.url), ask("hi")).cost_usd is None
    assert set(endpoint.asked[0]) == {"model", "messages", "temperature"}


def test_log_probabilities(endpoint: Endpoint, ask: Ask) -> None:
    tokens = [{"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": []}] * 2
    endpoint.body = reply(logprobs={"content": tokens, "refusal": None})
    completion = complete(load(endpoint.url, options={"logprobs": True}), ask())
    assert endpoint.asked[0]["logprobs"] is True
    assert completion.token_logprobs == (-0.5, -0.5)
    assert completion.tokens == ("a", "a")


def test_reply_cut_by_the_limit_is_a_reply(endpoint: Endpoint, ask: Ask) -> None:
    endpoint.body = reply("half a", "length")
    assert complete(load(endpoint.url), ask()).finish_reason == "length"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (reply(""), "empty reply"),
        (reply(None), "empty reply"),
        (reply(" \n"), "empty reply"),
        (reply("", "length"), "higher sampling.max_tokens"),
        (reply("half a", "content_filter"), "content_filter"),
        (reply(None, message={"refusal": "I will not"}), "I will not"),
    ],
)
def test_what_is_no_reply(endpoint: Endpoint, ask: Ask, body: Any, says: str) -> None:
    error = failure(endpoint, ask(), 200, body)
    assert type(error) is (BrokenReplyError if says == "empty reply" else CompletionError)
    assert says in str(error)


@pytest.mark.parametrize("status", [408, 429, 500, 503, 529])
def test_what_may_pass(endpoint: Endpoint, ask: Ask, status: int) -> None:
    error = failure(endpoint, ask(), status, error_body(), **{"Retry-After": "17"})
    assert type(error) is (RateLimitError if status == 429 else TransientEndpointError)
    assert error.retry_after_s == 17
    assert "it went wrong" in str(error)
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, error_body(), "api_key_env"),
        (403, error_body(), "may use this model"),
        (404, error_body(), "model's name"),
        (402, error_body(), "balance"),
        (429, error_body(code="insufficient_quota"), "quota"),
        (429, error_body(type="insufficient_quota"), "quota"),
        (400, error_body("'temperature' does not support 0", code="unsupported_value"), "every request"),
        (302, b"", "redirects"),
    ],
)
def test_what_fails_for_good(endpoint: Endpoint, ask: Ask, status: int, body: Any, says: str) -> None:
    error = failure(endpoint, ask(), status, body, Location="http://127.0.0.1:1/")
    assert type(error) is EndpointError
    assert says in str(error)


@pytest.mark.parametrize("body", [b"<html>welcome</html>", {"hello": "world"}, {"error": "overloaded"}])
def test_what_is_no_reply_at_all(endpoint: Endpoint, ask: Ask, body: Any) -> None:
    content = "text/html" if isinstance(body, bytes) else "application/json"
    error = failure(endpoint, ask(), 200, body, **{"Content-Type": content})
    assert type(error) is UnrecognizedReplyError
    assert "ends in /v1" in str(error)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_request_that_is_refused(endpoint: Endpoint, ask: Ask, status: int) -> None:
    error = failure(endpoint, ask(), status, error_body("the prompt is too long"))
    assert type(error) is CompletionError
    assert "the prompt is too long" in str(error)


@pytest.mark.parametrize("body", [{"detail": "pinned to another"}, {"object": "error", "message": "pinned to another"}])
def test_words_of_servers_without_openais_error_object(endpoint: Endpoint, ask: Ask, body: Any) -> None:
    assert "pinned to another" in str(failure(endpoint, ask(), 400, body))


def test_upstream_that_fails_half_way(endpoint: Endpoint, ask: Ask) -> None:
    error = failure(endpoint, ask(), 200, reply("half a", "error"))
    assert isinstance(error, TransientEndpointError)


def test_what_a_gateway_says_it_charged(endpoint: Endpoint, ask: Ask) -> None:
    endpoint.body = reply() | {"usage": {"prompt_tokens": 1000, "completion_tokens": 100, "cost": 0.0042}}
    assert complete(load(endpoint.url), ask()).cost_usd == pytest.approx(0.0042)
    priced = load(endpoint.url, price=Price(input=2.0, output=10.0))
    assert complete(priced, ask()).cost_usd == pytest.approx(0.003)


def test_tokens_that_were_not_counted_have_no_price(endpoint: Endpoint, ask: Ask) -> None:
    endpoint.body = {key: value for key, value in reply().items() if key != "usage"}
    completion = complete(load(endpoint.url, price=Price(input=2.0, output=10.0)), ask())
    assert (completion.usage, completion.cost_usd) == (Usage(), None)


def test_error_in_the_clothes_of_a_reply(endpoint: Endpoint, ask: Ask) -> None:
    body = {"error": {"code": 502, "message": "upstream is gone"}}
    assert isinstance(failure(endpoint, ask(), 200, body), TransientEndpointError)


@pytest.mark.parametrize("body", [b'{"id": "1", "cho', reply(finish_reason=None)])
def test_reply_that_is_broken(endpoint: Endpoint, ask: Ask, body: Any) -> None:
    assert isinstance(failure(endpoint, ask(), 200, body), BrokenReplyError)


def test_key_is_in_no_error(endpoint: Endpoint, ask: Ask) -> None:
    for status, body in [
        (401, error_body(f"wrong key {KEY}")),
        (400, error_body(f"{KEY} " * 50)),
        (500, KEY.encode()),
        (200, reply(None, message={"refusal": KEY})),
        (200, {"error": {"code": 500, "message": KEY}}),
        (200, {"x": KEY}),
    ]:
        error = failure(endpoint, ask(), status, body)
        assert KEY not in str(error)
        assert error.__suppress_context__ or error.__context__ is None


def test_timeout_may_pass(endpoint: Endpoint, ask: Ask) -> None:
    endpoint.release.clear()
    with pytest.raises(TransientEndpointError, match=r"within 0\.05 s"):
        complete(load(endpoint.url, timeout_s=0.05), ask())


def test_nobody_listens(ask: Ask) -> None:
    endpoint = Endpoint()
    endpoint.close()
    with pytest.raises(TransientEndpointError, match="cannot be reached"):
        complete(load(endpoint.url), ask())


@pytest.mark.parametrize(("number", "kind"), [(socket.EAI_NONAME, EndpointError), (socket.EAI_AGAIN, UnreachableError)])
def test_host_that_is_not_found(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[CowestError]
) -> None:
    def no_host(*_: Any, **__: Any) -> None:
        raise socket.gaierror(number, "not found")

    monkeypatch.setattr(socket, "getaddrinfo", no_host)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with pytest.raises(EndpointError) as caught:
        complete(load("http://models.example.org/v1"), ask())
    assert type(caught.value) is kind


class TestSettings:
    def test_key_that_is_not_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MY_KEY", raising=False)
        for url in (None, "https://models.example.org/v1"):
            with pytest.raises(InputError, match="MY_KEY is not set"):
                load(url, api_key_env="MY_KEY")

    def test_server_on_this_machine_needs_no_key(
        self, endpoint: Endpoint, ask: Ask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("OPENAI_API_KEY")
        assert complete(load(endpoint.url), ask()).text == "hello"

    def test_a_named_key_that_is_not_set_is_said_once(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        load(endpoint.url, api_key_env=None)
        monkeypatch.setenv("MY_KEY", "sk-set")
        load(endpoint.url, api_key_env="MY_KEY")
        assert caplog.messages == []
        monkeypatch.delenv("MY_KEY")
        for _ in range(2):
            load(endpoint.url, api_key_env="MY_KEY")
        (warning,) = caplog.messages
        assert "api_key_env names MY_KEY, which is not set" in warning

    def test_key_the_recipe_does_not_name_is_not_sent_to_a_server_on_this_machine(
        self, endpoint: Endpoint, ask: Ask
    ) -> None:
        complete(OpenAIModel.from_config(ModelConfig(model="openai/m", base_url=endpoint.url), 0), ask())
        assert KEY not in str(endpoint.authorization)

    @pytest.mark.parametrize(
        "url", ["http://[::1", "http://localhost:port", "127.0.0.1:8000/v1", "ftp://x/v1", "http://"]
    )
    def test_base_url(self, url: str) -> None:
        with pytest.raises(InputError, match="base_url"):
            load(url)

    def test_option_that_is_set_elsewhere(self) -> None:
        with pytest.raises(InputError, match="temperature"):
            load(None, options={"temperature": 3, "seed": 1})

    def test_identity_tells_endpoints_models_and_options_apart(self) -> None:
        models = [
            load(None),
            load("http://127.0.0.1:1/v1"),
            load(None, model="openai/n"),
            load(None, options={"seed": 1}),
        ]
        assert len({model.identity for model in models}) == 4
        assert KEY not in "".join(model.identity for model in models)
        assert load(None, max_concurrency=3, price=Price(input=1, output=1)).identity == models[0].identity
