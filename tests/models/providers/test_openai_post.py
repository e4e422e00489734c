"""What is posted and raised equals what the `openai` package itself posts and raises."""

import asyncio
import gc
import gzip
import json
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from openai import APIConnectionError, APIStatusError, AsyncAzureOpenAI, AsyncOpenAI, AsyncStream, DefaultAioHttpClient

from cowest.errors import TransientEndpointError
from cowest.models import ModelConfig
from cowest.models.providers._openai_post import ChatPost
from cowest.models.providers.openai import OpenAIModel
from cowest.types import ChatRequest, Message
from tests.models.providers.endpoint import Endpoint

BODY = {"model": "m", "messages": [{"role": "user", "content": "Grüße, \u2028 and a tab\t."}], "temperature": 0.5}
OF_ITS_RETRIES = {"x-stainless-retry-count", "x-stainless-read-timeout"}
PATIENT = {"connect": 5, "read": None, "write": 5, "pool": 5}
"""How long a stream may be silent is for its reader to say."""
Use = Callable[[AsyncOpenAI, ChatPost], Awaitable[Any]]


def using(url: str, use: Use) -> Any:
    async def run() -> Any:
        http = DefaultAioHttpClient(follow_redirects=False, timeout=5, trust_env=False)
        client = AsyncOpenAI(api_key="sk-key", base_url=url, organization="org", max_retries=0, http_client=http)
        async with client:
            return await use(client, ChatPost(client, http))

    return asyncio.run(run())


def test_the_request_is_the_packages_own(endpoint: Endpoint) -> None:
    async def use(client: AsyncOpenAI, post: ChatPost) -> None:
        await client.post("/chat/completions", cast_to=object, body=BODY)
        await post.reply(BODY)

    using(endpoint.url, use)
    theirs, ours = endpoint.heard
    assert {name: text for name, text in theirs.items() if name not in OF_ITS_RETRIES} == ours
    assert ours["authorization"] == "Bearer sk-key"
    assert endpoint.asked == [BODY, BODY]
    assert len(set(endpoint.paths)) == 1
    assert len(endpoint.connections) == 1


def test_a_cookie_of_the_endpoint_is_sent_back_as_the_package_would(endpoint: Endpoint) -> None:
    endpoint.headers = {"Set-Cookie": "route=b"}

    async def use(client: AsyncOpenAI, post: ChatPost) -> None:
        await post.reply(BODY)
        await post.reply(BODY)
        await client.post("/chat/completions", cast_to=object, body=BODY)

    using(endpoint.url, use)
    first, ours, theirs = endpoint.heard
    assert "cookie" not in first
    assert ours["cookie"] == "route=b"
    assert {name: text for name, text in theirs.items() if name not in OF_ITS_RETRIES} == ours


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "no", "type": "t", "code": "c", "param": "p"}}),
        (401, {"error": {"message": ""}}),
        (404, {"detail": "not here"}),
        (302, b""),
        (429, ["odd"]),
        (500, b"<html>"),
        (503, {"error": "busy"}),
    ],
)
def test_errors_are_the_packages_own(endpoint: Endpoint, status: int, body: Any, stream: bool) -> None:
    endpoint.status, endpoint.body, endpoint.headers = status, body, {"Retry-After": "7"}

    async def use(client: AsyncOpenAI, post: ChatPost) -> list[APIStatusError]:
        with pytest.raises(APIStatusError) as theirs:
            await client.post("/chat/completions", cast_to=object, body=BODY)
        with pytest.raises(APIStatusError) as ours:
            await (post.events(BODY) if stream else post.reply(BODY))
        return [theirs.value, ours.value]

    theirs, ours = using(endpoint.url, use)
    for name in ("status_code", "message", "code", "type", "param", "body"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.response.headers["retry-after"] == "7"


def test_a_connection_that_cannot_be_made() -> None:
    async def use(client: AsyncOpenAI, post: ChatPost) -> None:
        with pytest.raises(APIConnectionError):
            await post.reply(BODY)

    using("http://127.0.0.1:1/v1", use)


REPLY = {"choices": [{"message": {"content": "hello"}}]}
WRITTEN = json.dumps(REPLY).encode()
WAYS = {
    "as it is": (WRITTEN, {}),
    "packed": (gzip.compress(WRITTEN), {"Content-Encoding": "gzip"}),
    "with a cookie": (WRITTEN, {"Set-Cookie": "route=b"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_reply_is_its_json_and_its_headers_are_heard_once(endpoint: Endpoint, way: str) -> None:
    endpoint.body, endpoint.headers = WAYS[way]
    endpoint.headers = endpoint.headers | {"X-RateLimit-Remaining-Requests": "7"}
    heard: list[str | None] = []

    async def run() -> list[Any]:
        model = OpenAIModel(ModelConfig(model="openai/m", base_url=endpoint.url), "sk-key")
        model.listen_to_headers(lambda headers: heard.append(headers.get("x-ratelimit-remaining-requests")))
        try:
            return [await (await model.chat_post()).reply(BODY) for _ in range(2)]
        finally:
            await model.close()

    assert asyncio.run(run()) == [REPLY, REPLY]
    assert heard == ["7", "7"]
    assert len(endpoint.connections) == 1


def test_a_plain_reply_takes_the_short_way_and_a_proxy_the_clients(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy is an endpoint that is asked for a whole address."""
    endpoint.body = REPLY

    async def reply(url: str) -> tuple[bool, Any]:
        http = DefaultAioHttpClient(follow_redirects=False, timeout=5)
        async with AsyncOpenAI(api_key="k", base_url=url, max_retries=0, http_client=http) as client:
            post = ChatPost(client, http)
            return post._direct is not None, await post.reply(BODY)

    assert asyncio.run(reply(endpoint.url)) == (True, REPLY)
    monkeypatch.setenv("HTTP_PROXY", endpoint.root)
    assert asyncio.run(reply("http://far.example/v1")) == (False, REPLY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert asyncio.run(reply(endpoint.url)) == (True, REPLY)
    assert endpoint.paths == ["/v1/chat/completions", "http://far.example/v1/chat/completions", "/v1/chat/completions"]


def test_a_reply_that_is_no_http_may_be_billed_and_is_asked_for_again(endpoint: Endpoint) -> None:
    endpoint.headers = {"Transfer-Encoding": "chunked"}  # beside a length
    model = OpenAIModel(ModelConfig(model="openai/m", base_url=endpoint.url), "sk-key")
    with pytest.raises(TransientEndpointError, match="Transfer-Encoding") as caught:
        asyncio.run(model.complete(ChatRequest(messages=(Message(role="user", content="hi"),))))
    assert caught.value.may_be_billed


@pytest.mark.parametrize("way", ["as it is", "packed"])
def test_a_reply_that_is_cut_off_is_the_packages_error(endpoint: Endpoint, way: str) -> None:
    body, headers = WAYS[way]
    endpoint.body, endpoint.headers = body, headers | {"Content-Length": str(len(body) + 9), "Connection": "close"}

    async def use(client: AsyncOpenAI, post: ChatPost) -> list[APIConnectionError]:
        with pytest.raises(APIConnectionError) as theirs:
            await client.post("/chat/completions", cast_to=object, body=BODY)
        with pytest.raises(APIConnectionError) as ours:
            await post.reply(BODY)
        return [theirs.value, ours.value]

    theirs, ours = using(endpoint.url, use)
    assert type(ours) is type(theirs)
    assert type(ours.__cause__) is type(theirs.__cause__)


def test_events_of_a_stream(endpoint: Endpoint) -> None:
    endpoint.headers = {"Content-Type": "text/event-stream"}
    endpoint.body = b'data: {"a": 1}\n\ndata: {"a": 2}\n\ndata: [DONE]\n\n'

    async def use(client: AsyncOpenAI, post: ChatPost) -> list[object]:
        async with await post.events(BODY | {"stream": True}) as events:
            assert isinstance(events, AsyncStream)
            assert events.response.request.extensions["timeout"] == PATIENT
            return [event async for event in events]

    assert using(endpoint.url, use) == [{"a": 1}, {"a": 2}]


def test_a_client_with_addresses_of_its_own_keeps_them(endpoint: Endpoint) -> None:
    endpoint.body = b'data: {"a": 1}\n\ndata: [DONE]\n\n'

    async def run() -> Any:
        http = DefaultAioHttpClient(follow_redirects=False, timeout=5, trust_env=False)
        client = AsyncAzureOpenAI(
            api_key="k", azure_endpoint=endpoint.root, api_version="2024-10-21", max_retries=0, http_client=http
        )
        async with client, await ChatPost(client, http).events(BODY | {"stream": True}) as events:
            assert events.response.request.extensions["timeout"] == PATIENT
            return [event async for event in events]

    assert asyncio.run(run()) == [{"a": 1}]
    assert endpoint.paths == ["/openai/deployments/m/chat/completions?api-version=2024-10-21"]


def test_nothing_is_kept_of_a_client_that_was_closed(endpoint: Endpoint) -> None:
    model = OpenAIModel(ModelConfig(model="openai/m", base_url=endpoint.url), "sk-key")

    async def ask() -> weakref.ref[AsyncOpenAI]:
        await (await model.chat_post()).reply(BODY)
        client = weakref.ref(await model.batch_client())
        await model.close()
        return client

    clients = [asyncio.run(ask()) for _ in range(2)]
    gc.collect()
    assert [client() for client in clients] == [None, None]
