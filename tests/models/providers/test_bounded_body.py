"""No reply takes more memory than its limit, and what is refused is said with limit and size."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from cowest import plugins
from cowest.errors import BrokenReplyError, CowestError, EndpointError, OversizedReplyError, TransientEndpointError
from cowest.models.config import ModelConfig
from cowest.models.providers import _bounded_body
from cowest.models.providers._remote import RemoteModel
from cowest.models.providers.openai import OpenAIModel
from cowest.types import ChatRequest
from tests.models.providers.endpoint import Endpoint
from tests.models.providers.replies import anthropic_reply, google_reply, openai_reply

Ask = Callable[..., ChatRequest]
REPLIES: dict[str, Callable[[str], Any]] = {
    "openai": openai_reply, "azure": openai_reply, "anthropic": anthropic_reply, "google": google_reply,
}  # fmt: skip
LONG = "x" * 20_000


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWEST_TEST_KEY", "sk-some-key")
    monkeypatch.setattr(_bounded_body, "MAX_REPLY_BYTES", 10 * 2**10)
    monkeypatch.setattr(_bounded_body, "MAX_EVENT_BYTES", 2**10)
    monkeypatch.setattr(_bounded_body, "MAX_EVENT_VALUES", 100)


def load(provider: str, endpoint: Endpoint) -> RemoteModel[Any]:
    url = endpoint.url if provider == "openai" else endpoint.root
    config = ModelConfig(model=f"{provider}/m", base_url=url, api_key_env="COWEST_TEST_KEY", timeout_s=10)
    model: RemoteModel[Any] = plugins.load(provider, "cowest.models.providers", "provider").from_config(config, 0)
    return model


def failure(provider: str, endpoint: Endpoint, request: ChatRequest) -> CowestError:
    with pytest.raises(CowestError) as caught:
        asyncio.run(load(provider, endpoint).complete(request))
    return caught.value


@pytest.mark.parametrize("provider", REPLIES)
def test_a_long_reply_is_refused_packed_or_not(provider: str, endpoint: Endpoint, ask: Ask) -> None:
    whole = json.dumps(REPLIES[provider](LONG)).encode()
    endpoint.body = whole
    said = failure(provider, endpoint, ask())
    assert isinstance(said, OversizedReplyError)
    assert said.may_be_billed
    assert "a reply of 19.8 KiB; at most 10.0 KiB" in str(said)
    endpoint.body, endpoint.headers = gzip.compress(whole), {"Content-Encoding": "gzip"}
    assert len(endpoint.body) < 1000
    said = failure(provider, endpoint, ask())
    assert isinstance(said, OversizedReplyError)
    assert "more than 10.0 KiB, which came as" in str(said)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_packed_reply_is_read(endpoint: Endpoint, ask: Ask, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    endpoint.body, endpoint.headers = pack(json.dumps(openai_reply("hi")).encode()), {"Content-Encoding": encoding}
    assert asyncio.run(load("openai", endpoint).complete(ask())).text == "hi"


@pytest.mark.parametrize(
    ("encoding", "body", "says"),
    [
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0), "'gzip, gzip'"),
        ("br", b"{}", "'br'"),
        ("gzip", b"{}", "unpacked"),
    ],
    ids=["packed twice", "a packing of another kind", "not packed at all"],
)
def test_what_was_not_asked_for_is_not_unpacked(
    endpoint: Endpoint, ask: Ask, encoding: str, body: bytes, says: str
) -> None:
    endpoint.body, endpoint.headers = body, {"Content-Encoding": encoding}
    error = failure("openai", endpoint, ask())
    assert isinstance(error, BrokenReplyError)
    assert says in str(error)
    endpoint.status = 401
    assert type(failure("openai", endpoint, ask())) is EndpointError


@pytest.mark.parametrize("provider", REPLIES)
def test_the_beginning_of_a_long_error_is_enough(provider: str, endpoint: Endpoint, ask: Ask) -> None:
    endpoint.status, endpoint.body = 503, b"overloaded " + b"x" * 2**18
    error = failure(provider, endpoint, ask())
    assert isinstance(error, TransientEndpointError)
    assert "(503)" in str(error)


@pytest.mark.parametrize("separator", [b"\n\n", b"\r\n\r\n"])
def test_a_stream_may_be_long_and_its_events_may_not(endpoint: Endpoint, separator: bytes) -> None:
    async def texts(body: bytes) -> list[Any]:
        endpoint.body, endpoint.headers = body, {"Content-Type": "text/event-stream"}
        model = load("openai", endpoint)
        assert isinstance(model, OpenAIModel)
        post = await model.chat_post()
        async with await post.events({"model": "m", "messages": [], "stream": True}) as events:
            return [event async for event in events]

    event = b"data: " + json.dumps({"text": "x" * 900}).encode() + separator
    assert len(asyncio.run(texts(event * 200))) == 200
    with pytest.raises(OversizedReplyError, match=r"1\.0 KiB"):
        asyncio.run(texts(event + b"data: " + b"x" * 2000))
    with pytest.raises(OversizedReplyError, match="100 values"):
        asyncio.run(texts(event + b"data: [" + b"[]," * 60 + b"0]" + separator))
