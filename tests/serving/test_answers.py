"""What clients get and what the two models are sent: official client, whole and streamed, sync and async."""

import json
import shutil
import subprocess
import threading
from typing import Any

import openai
import pytest

from cowest.collaboration import Collaboration
from cowest.models.providers.scripted import ScriptedModel
from tests.serving.served import DRAFT, World, events, question
from tests.serving.upstream import chunk

QUERY = "What is 20 plus 22?"
WEAK_USAGE = {"prompt_tokens": 14, "completion_tokens": 5, "total_tokens": 19}


def client(world: World, **more: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{world.url}/v1", api_key="none", max_retries=0, **more)


def ask(world: World, **more: Any) -> Any:
    return client(world).chat.completions.create(**question(**more))


def pair() -> Collaboration:
    return Collaboration(ScriptedModel([]), ScriptedModel([]))


def test_the_models_are_sent_what_the_collaboration_sends(world: World) -> None:
    reply = ask(world)
    (drafted,), (asked,) = world.weak.requests, world.strong.asked
    assert drafted.messages == pair().draft_request(QUERY).messages
    assert drafted.sampling.max_tokens == 64
    assert asked["messages"] == [message.model_dump() for message in pair().refine_request(QUERY, DRAFT).messages]
    assert (asked["model"], asked["temperature"]) == ("big", 1.0)
    assert set(asked) == {"model", "messages", "temperature"}
    assert reply.choices[0].message.content == "Explanation: heard. Answer: 1"
    assert (reply.model, reply.object, reply.choices[0].finish_reason) == ("pair", "chat.completion", "stop")
    assert reply.id.startswith("chatcmpl-")
    assert reply.id != "upstream-1"


def test_usage_counts_both_models(world: World) -> None:
    usage = ask(world).usage
    weak = world.weak.requests[0]
    prompt = sum(len(message.content.split()) for message in weak.messages)
    assert (usage.prompt_tokens, usage.completion_tokens) == (100 + prompt, 20 + len(DRAFT.split()))
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details.cached_tokens == 64
    assert usage.cowest["weak"]["completion_tokens"] == len(DRAFT.split())
    assert usage.cowest["strong"]["prompt_tokens"] == 100


def test_the_draft_is_shown_to_who_asks(world: World) -> None:
    assert not hasattr(ask(world), "cowest")
    shown = ask(world, extra_headers={"x-cowest-draft": "1"})
    assert shown.cowest == {"draft": DRAFT, "finish_reason": "stop"}
    first, *rest = ask(world, stream=True, extra_headers={"x-cowest-draft": "1"})
    assert first.cowest["draft"] == DRAFT
    assert not any(hasattr(each, "cowest") for each in rest)


def test_each_part_answers_under_its_own_name(world: World) -> None:
    weak = ask(world, model="pair:weak", temperature=0.3, max_tokens=9, stop="x")
    assert weak.choices[0].message.content == DRAFT
    assert not world.strong.asked
    (drafted,) = world.weak.requests
    assert drafted.messages == pair().draft_request(QUERY).messages
    assert drafted.sampling.model_dump() == {"temperature": 0.3, "top_p": 0.9, "max_tokens": 9, "stop": ("x",)}
    assert list(weak.usage.cowest) == ["weak"]
    strong = ask(world, model="pair:strong")
    assert strong.usage.model_dump()["cowest"].keys() == {"strong"}
    assert len(world.weak.requests) == 1
    assert world.strong.asked[0]["messages"][0]["content"] == pair().solo_request(QUERY).messages[0].content


def test_parameters_reach_the_strong_model_as_they_are(world: World) -> None:
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    given: dict[str, Any] = {
        "temperature": 0.2, "top_p": 0.5, "max_completion_tokens": 77, "stop": ["a", "b"], "n": 2, "seed": 5,
        "tools": tools, "tool_choice": "auto", "response_format": {"type": "json_object"},
        "extra_body": {"top_k": 5},
    }  # fmt: skip
    reply = ask(world, **given)
    asked = world.strong.asked[0]
    extra = given.pop("extra_body")
    assert {name: asked[name] for name in given | extra} == given | extra
    assert "max_tokens" not in asked
    assert [choice.index for choice in reply.choices] == [0, 1]
    assert len(world.weak.requests) == 1
    assert world.weak.requests[0].sampling.temperature == 1.0


def test_tool_calls_come_back(world: World) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    world.strong.message = {"content": None, "tool_calls": [call]}
    assert ask(world).choices[0].message.tool_calls[0].function.name == "add"


def test_conversations(world: World) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi.", "refusal": None},
        {"role": "user", "content": [{"type": "text", "text": QUERY}, image], "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {}}]},
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ]
    world.post({"model": "pair", "messages": messages}).raise_for_status()
    sent = world.strong.asked[0]["messages"]
    assert [*sent[:3], *sent[4:]] == [*messages[:3], *messages[4:]]
    wrapped = pair().refine_request(QUERY, DRAFT).messages[0].content
    assert sent[3] == {"role": "user", "content": [{"type": "text", "text": wrapped}, image], "name": "ann"}
    roles = [(message.role, message.content) for message in world.weak.requests[0].messages]
    assert roles[:3] == [("system", "Be brief."), ("user", "Hello"), ("assistant", "Hi.")]
    assert roles[3:] == [("user", pair().draft_request(QUERY).messages[0].content)]


def test_a_stream_arrives_as_it_is_written(world: World) -> None:
    chunks = list(ask(world, stream=True))
    assert "".join(each.choices[0].delta.content or "" for each in chunks) == "Explanation: heard. Answer: 1"
    assert len(chunks) == 5
    assert [each.choices[0].finish_reason for each in chunks] == [None] * 4 + ["stop"]
    assert {(each.id, each.model) for each in chunks} == {(chunks[0].id, "pair")}
    assert "stream_options" not in world.strong.asked[0]
    assert all(each.usage is None for each in chunks)


def test_a_stream_ends_with_usage_where_asked_and_done(world: World) -> None:
    raw = events(world.post(question(stream=True, stream_options={"include_usage": True})).text)
    assert raw[-1] == "[DONE]"
    chunks = [json.loads(data) for data in raw[:-1]]
    assert [each for each in chunks if each.get("usage")] == chunks[-1:]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 20 + len(DRAFT.split())
    assert chunks[-1]["usage"]["cowest"]["strong"]["completion_tokens"] == 20


def test_usage_that_nobody_asked_for_is_left_out(world: World) -> None:
    world.strong.stream = [
        chunk("a", usage={"prompt_tokens": 1}),
        chunk(finish_reason="stop"),
        chunk() | {"choices": [], "usage": {}},
    ]
    raw = events(world.post(question(stream=True)).text)
    assert [("usage" in json.loads(data)) for data in raw[:-1]] == [False, False]


def test_chunks_pass_before_the_stream_has_ended(world: World) -> None:
    go_on = threading.Event()
    world.strong.stream = [chunk("first "), go_on, chunk("last"), chunk(finish_reason="stop")]
    stream = ask(world, stream=True)
    assert next(iter(stream)).choices[0].delta.content == "first "
    go_on.set()
    assert [each.choices[0].delta.content for each in stream] == ["last", None]


def test_streams_of_several_choices(world: World) -> None:
    chunks = list(ask(world, stream=True, n=2))
    ends = [each.choices[0].index for each in chunks if each.choices[0].finish_reason]
    assert ends == [0, 1]


def test_the_weak_model_streams_in_one_piece(world: World) -> None:
    chunks = list(ask(world, model="pair:weak", stream=True, stream_options={"include_usage": True}))
    assert [each.choices[0].delta.content for each in chunks[:2]] == [DRAFT, None]
    assert (chunks[1].choices[0].finish_reason, chunks[2].choices) == ("stop", [])
    assert chunks[2].usage.completion_tokens == len(DRAFT.split())


async def test_the_async_client(world: World) -> None:
    async with openai.AsyncOpenAI(base_url=f"{world.url}/v1", api_key="none", max_retries=0) as asking:
        reply = await asking.chat.completions.create(**question())
        assert reply.choices[0].message.content == "Explanation: heard. Answer: 1"
        texts = [
            each.choices[0].delta.content
            async for each in await asking.chat.completions.create(**question(), stream=True)
        ]
        assert "".join(text or "" for text in texts) == "Explanation: heard. Answer: 1"
        assert [model.id async for model in asking.models.list()] == ["pair", "pair:weak", "pair:strong"]
        assert (await asking.models.retrieve("pair:weak")).owned_by == "cowest"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl(world: World) -> None:
    line = ["curl", "-sN", f"{world.url}/v1/chat/completions", "-H", "Content-Type: application/json", "-d"]
    streamed = subprocess.run([*line, json.dumps(question(stream=True))], capture_output=True, text=True, check=True)
    assert events(streamed.stdout)[-1] == "[DONE]"
    whole = subprocess.run([*line, json.dumps(question())], capture_output=True, text=True, check=True)
    assert json.loads(whole.stdout)["choices"][0]["message"]["content"] == "Explanation: heard. Answer: 1"


def test_headers_tell_request_and_timings(world: World) -> None:
    for body in (question(), question(stream=True)):
        headers = world.post(body).headers
        assert len(headers["x-request-id"]) == 32
        names = [part.split(";dur=") for part in headers["server-timing"].split(", ")]
        assert [name for name, _ in names] == ["draft", "answer"]
        assert all(float(ms) >= 0 for _, ms in names)
        assert "x-cowest-degraded" not in headers


def test_half_a_character_from_the_strong_model_passes(world: World) -> None:
    world.strong.reply = lambda body: "half \ud83d"
    assert world.post(question()).json()["choices"][0]["message"]["content"] == "half \ud83d"
    assert world.post(question(stream=True)).text.count("\\ud83d") == 1


def test_metrics_and_health(world: World) -> None:
    before = world.metric('cowest_requests_total{model="pair",outcome="ok"}')
    tokens = world.metric('cowest_tokens_total{kind="completion",role="strong"}')
    ask(world)
    assert world.comes_to('cowest_requests_total{model="pair",outcome="ok"}', before + 1)
    assert world.comes_to('cowest_tokens_total{kind="completion",role="strong"}', tokens + 20)
    assert world.comes_to("cowest_in_flight", 0)
    assert world.get("/healthz").json() == {"status": "ok"}
