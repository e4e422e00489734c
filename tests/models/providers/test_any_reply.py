"""Whatever an endpoint sends, a call ends with a completion or with a failure that has a name.

`COWEST_FUZZ_CASES=20000 pytest tests/models/providers/test_any_reply.py` tries more replies of each provider.
"""

import asyncio
import copy
import json
import math
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cowest import plugins
from cowest.errors import CompletionError, CowestError, EndpointError, InputError
from cowest.ledger.keys import canonical
from cowest.models import _batch_lines
from cowest.models.config import ModelConfig, Price
from cowest.models.providers._remote import RemoteModel
from cowest.models.providers.openai import OpenAIModel
from cowest.types import ChatRequest, Completion, Message
from tests.models.providers.endpoint import Endpoint
from tests.models.providers.replies import anthropic_reply, google_reply, openai_reply

NUM_CASES = int(os.environ.get("COWEST_FUZZ_CASES", "60"))
KEY = "sk-a-key-that-comes-back"
REQUEST = ChatRequest(messages=(Message(role="user", content="hi \ud800"),))
WHOLE = {
    "openai": openai_reply("hello", tokens=[("hel", -0.5), ("lo", -0.25)]),
    "azure": openai_reply("hello"),
    "anthropic": anthropic_reply("hello", " you"),
    "google": google_reply("hello", {"text": "hm", "thought": True}),
}
ERRORS = [
    {"error": {"message": "wrong", "type": "invalid", "code": "invalid", "param": "x"}},
    {"error": {"code": 400, "message": "wrong", "status": "INVALID", "details": [{"retryDelay": "2s"}]}},
    {"type": "error", "error": {"type": "overloaded_error", "message": "wrong"}},
]
DEEP = "@deep@"

texts = st.text(st.characters(), max_size=8) | st.sampled_from(
    ["", " ", KEY, f"a{KEY}b", "stop", "length", "\ud800", "a\udc00", "\x1b[2J", "٣", "9" * 50, "x" * 200]
)
numbers = st.integers() | st.floats() | st.sampled_from([-1, 0, 10**400, -(10**30), 1e308, 10**13])
junk = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.just(DEEP),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every part of a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with another part at that path, or without it where `new` is ..."""
    if not path:
        return None if new is ... else new
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    if new is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = new
    return value


@st.composite
def bodies(draw: st.DrawFn, *wholes: Any) -> bytes:
    """A reply with some parts replaced or taken out, as JSON, which may be cut, doubled or broken."""
    value = copy.deepcopy(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(0, 3))):
        value = put(value, draw(st.sampled_from(list(places(value)))), draw(st.just(...) | junk))
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    depth = draw(st.sampled_from([50, 900, 100_000]))
    text = text.replace(f'"{DEEP}"', "[" * depth + "]" * depth)
    if draw(st.integers(0, 9)) == 0:  # every name twice
        text = text.replace("{", '{"choices": 3, "content": 3, "candidates": 3, "usage": 3, ', 1)
    content = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(st.binary(max_size=4)) + content[at + draw(st.integers(0, 99)) :]
    return content


def check(outcome: Completion | Exception) -> None:
    if isinstance(outcome, Completion):
        assert outcome.text.strip()
        assert outcome.finish_reason
        assert outcome.usage.prompt_tokens >= 0
        assert outcome.usage.completion_tokens >= 0
        assert outcome.cost_usd is None or 0 <= outcome.cost_usd < math.inf
        assert outcome.token_logprobs is None or all(map(math.isfinite, outcome.token_logprobs))
        assert (outcome.tokens is None) == (outcome.token_logprobs is None)
        written = canonical(outcome.model_dump())
        assert Completion.model_validate(json.loads(written)) == outcome
    else:
        assert isinstance(outcome, CompletionError | EndpointError)
        assert not isinstance(outcome, InputError)
        assert not any(ord(character) < 32 or ord(character) == 127 for character in str(outcome) if character != "\n")
        str(outcome).encode()
        written = str(outcome)
    assert KEY not in written
    assert KEY[:12] not in written


@pytest.fixture(scope="module")
def shared_endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


def load(provider: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> RemoteModel[Any]:
    monkeypatch.setenv("COWEST_TEST_KEY", KEY)
    config = ModelConfig(
        model=f"{provider}/gpt-4.1",
        base_url=endpoint.url if provider == "openai" else endpoint.root,
        api_key_env="COWEST_TEST_KEY",
        price=Price(input=2.0, output=8.0) if provider != "azure" else None,
        timeout_s=10,
    )
    model: RemoteModel[Any] = plugins.load(provider, "cowest.models.providers", "provider").from_config(config, 0)
    return model


@pytest.mark.parametrize("provider", WHOLE)
def test_a_reply_is_a_completion_or_a_named_failure(
    provider: str, shared_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(provider, shared_endpoint, monkeypatch)
    num_completions = 0
    with asyncio.Runner() as runner:

        @settings(
            max_examples=NUM_CASES, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(
            body=bodies(WHOLE[provider], WHOLE[provider], *ERRORS),
            status=st.sampled_from([200] * 8 + [302, 400, 429, 500]),
        )
        def ask(body: bytes, status: int) -> None:
            nonlocal num_completions
            shared_endpoint.body, shared_endpoint.status = body, status
            try:
                outcome: Completion | Exception = runner.run(model.complete(REQUEST))
            except CowestError as error:
                outcome = error
            check(outcome)
            num_completions += isinstance(outcome, Completion)

        ask()
        runner.run(model.close())
    assert NUM_CASES / 20 < num_completions < NUM_CASES  # both kinds are met


def test_a_line_of_a_batch_is_a_completion_or_a_named_failure(
    shared_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load("openai", shared_endpoint, monkeypatch)
    assert isinstance(model, OpenAIModel)
    good = {"custom_id": "a", "response": {"status_code": 200, "body": WHOLE["openai"]}, "error": None}
    bad = {"custom_id": "a", "response": {"status_code": 400, "body": ERRORS[0]}, "error": None}
    unprocessed = {"custom_id": "a", "response": None, "error": {"code": "batch_expired", "message": "late"}}

    @settings(
        max_examples=5 * NUM_CASES, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(body=bodies(good, good, bad, unprocessed))
    def ask(body: bytes) -> None:
        for _, row in _batch_lines.rows([body.decode("utf-8", "replace")]):
            try:
                outcome: Completion | Exception = model.batch_reply(row, 1.0)
            except CowestError as error:
                outcome = error
            check(outcome)

    ask()
