"""When a part fails: what the client gets, and that no incomplete answer passes for a complete one."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from cowest.collaboration import Collaboration
from cowest.errors import TransientEndpointError
from cowest.models.providers.scripted import ScriptedModel
from tests.endpoint import FAULTS
from tests.serving.served import DRAFT, World, events, question, served
from tests.serving.upstream import CUT, END, Step, chunk

SOLO = Collaboration(ScriptedModel([]), ScriptedModel([])).solo_request("What is 20 plus 22?").messages[0].content


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Has short deadlines, and gives the draft where the strong model fails."""
    run = str(tmp_path_factory.mktemp("runs") / "pair")
    settings: dict[str, Any] = {"draft_deadline_s": 0.2, "stall_s": 0.2, "on_strong_failure": "draft"}
    with served(run, strong={"timeout_s": 0.6}, **settings) as world:
        yield world


@pytest.fixture
def hasty(patient: World) -> World:
    patient.strong.reset()
    patient.say(lambda request: DRAFT)
    return patient


EXPECTED = {
    "rate_limited": (429, "upstream_rate_limited"),
    "rate_limited_retry_after": (429, "upstream_rate_limited"),
    "server_error": (502, "upstream_failed"),
    "bad_gateway": (502, "upstream_failed"),
    "unavailable": (502, "upstream_failed"),
    "unavailable_retry_after": (502, "upstream_failed"),
    "reset": (502, "upstream_unreachable"),
    "cut_off": (502, None),
    "malformed": (502, "upstream_malformed"),
    "error_as_reply": (502, "upstream_malformed"),
    "no_finish_reason": (502, "upstream_cut_off"),
    "bad_request": (400, "context_length_exceeded"),
    "prompt_filtered": (400, "content_filter"),
    "wrong_key": (502, "upstream_failed"),
    "forbidden": (502, "upstream_failed"),
    "unknown_model": (502, "upstream_failed"),
    "no_quota": (502, "upstream_failed"),
    "no_balance": (502, "upstream_failed"),
    "redirect": (502, "upstream_failed"),
}
PASSED_ON = {"length": "length", "content_filter": "content_filter", "empty": "stop", "refusal": "stop"}
"""Whole replies, which are the client's to judge, with their finish reasons."""


def test_every_fault_of_the_endpoint_has_an_outcome() -> None:
    assert EXPECTED.keys() | PASSED_ON.keys() | {"timeout"} == FAULTS.keys()


@pytest.mark.parametrize("fault", EXPECTED)
@pytest.mark.parametrize("stream", [False, True])
def test_faults_of_the_strong_model(world: World, fault: str, stream: bool) -> None:
    world.strong.fault = fault
    response = world.post(question(stream=stream))
    error = response.json()["error"]
    status, code = EXPECTED[fault]
    if stream and fault in ("cut_off", "malformed", "error_as_reply", "no_finish_reason"):
        code = None  # no stream at all came
    assert response.status_code == status
    assert code in (None, error["code"])
    assert set(error) == {"message", "type", "param", "code"}
    assert world.strong.asked[0]["model"] == "big"
    assert len(world.strong.asked) == 1
    assert "127.0.0.1" not in error["message"]


@pytest.mark.parametrize("fault", PASSED_ON)
def test_whole_replies_are_passed_on_whatever_they_say(world: World, fault: str) -> None:
    world.strong.fault = fault
    assert world.post(question()).json()["choices"][0]["finish_reason"] == PASSED_ON[fault]


@pytest.mark.parametrize("usage", [{"completion_tokens": -1}, "none", [], {"prompt_tokens": 1.5}])
def test_a_reply_whose_usage_is_no_count_is_malformed(world: World, usage: Any) -> None:
    world.strong.more = {"usage": usage}
    assert world.post(question()).json()["error"]["code"] == "upstream_malformed"


def test_a_reply_without_usage_is_an_answer(world: World) -> None:
    world.strong.more = {"usage": None}
    assert world.post(question()).json()["usage"]["cowest"]["strong"] is None


def test_a_reply_that_is_too_large(world: World) -> None:
    world.strong.message = {"content": "x" * 17 * 2**20}
    assert world.post(question()).json()["error"]["code"] == "upstream_too_large"
    world.strong.reset()
    world.strong.stream = [chunk("half a"), b"data: " + b"x" * 5 * 2**20]
    error = json.loads(events(world.post(question(stream=True)).text)[-1])["error"]
    assert error["code"] == "upstream_too_large"


def test_a_chunk_of_too_many_values_is_not_read(world: World) -> None:
    world.strong.stream = [chunk("half a"), chunk("b", more=[[]] * 50_000)]
    error = json.loads(events(world.post(question(stream=True)).text)[-1])["error"]
    assert error["code"] == "upstream_too_large"


def test_a_stream_without_an_end(world: World) -> None:
    world.strong.stream = [chunk("x" * 2**20)] * 18
    error = json.loads(events(world.post(question(stream=True)).text)[-1])["error"]
    assert error["code"] == "upstream_too_large"


def test_a_rate_limit_tells_when_to_come_back(world: World) -> None:
    world.strong.fault = "rate_limited_retry_after"
    assert world.post(question()).headers["retry-after"] == "1"


@pytest.mark.parametrize("stream", [False, True])
def test_a_strong_model_that_hangs(hasty: World, stream: bool) -> None:
    hasty.strong.fault = "timeout"
    response = hasty.post(question(model="pair:strong", stream=stream))
    assert (response.status_code, response.json()["error"]["code"]) == (504, "upstream_timeout")
    assert hasty.strong.gone.wait(5)


BROKEN: dict[str, list[Step]] = {
    "cut": [chunk("half a"), CUT],
    "ended": [chunk("half a"), END],
    "done too early": [chunk("half a")],
    "one of two": [chunk("a"), chunk(finish_reason="stop"), chunk("b", index=1)],
    "malformed": [chunk("half a"), b'data: {"choices": [{"ind\n\n'],
    "no object": [chunk("half a"), b"data: [1]\n\n"],
    "no choices": [chunk("half a"), {"object": "chat.completion.chunk"}],
    "error": [chunk("half a"), {"error": {"message": "out of memory", "code": 500}}],
    "error as finish reason": [chunk("half a"), chunk(finish_reason="error")],
    "no usage": [chunk("half a"), chunk("b", usage=[1])],
    "another choice": [chunk("half a"), chunk("b", index=1)],
    "no count": [chunk("half a"), chunk("b", usage={"prompt_tokens": "many"})],
    "no utf-8": [chunk("half a"), b"data: \xff\xfe\n\n"],
    "no text": [chunk("half a"), {"choices": [{"index": 0, "delta": {"content": 5}}]}],
    "a list of texts": [chunk("half a"), {"choices": [{"index": 0, "delta": {"content": ["b"]}}]}],
    "no delta": [chunk("half a"), {"choices": [{"index": 0, "delta": "b", "finish_reason": "stop"}]}],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_stream_never_passes_for_an_answer(world: World, name: str) -> None:
    world.strong.stream = BROKEN[name]
    failed = world.metric('cowest_requests_total{model="pair",outcome="failed"}')
    response = world.post(question(stream=True, n=2 if name == "one of two" else 1))
    raw = events(response.text)
    assert response.status_code == 200
    assert json.loads(raw[0])["choices"][0]["delta"]["content"] in ("half a", "a")
    assert "[DONE]" not in raw
    assert json.loads(raw[-1])["error"]["type"] == "server_error"
    assert not any((json.loads(data).get("choices") or [{}])[0].get("finish_reason") for data in raw[:-1]) or (
        name == "one of two"
    )
    assert world.comes_to('cowest_requests_total{model="pair",outcome="failed"}', failed + 1)


def test_the_official_client_raises_on_a_broken_stream(world: World) -> None:
    world.strong.stream = [chunk("half a"), CUT]
    client = openai.OpenAI(base_url=f"{world.url}/v1", api_key="none", max_retries=0)
    with pytest.raises(openai.APIError, match=r"cut off|connection"):
        list(client.chat.completions.create(**question(), stream=True))


def test_a_stream_that_stalls(hasty: World) -> None:
    hasty.strong.stream = [chunk("half a"), threading.Event()]
    raw = events(hasty.post(question(stream=True)).text)
    assert json.loads(raw[-1])["error"]["code"] == "upstream_timeout"
    assert len(raw) == 2
    assert hasty.strong.gone.wait(5)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("error", [TransientEndpointError("gone"), RuntimeError("out of memory")])
def test_without_a_draft_the_strong_model_answers_alone_and_says_so(
    world: World, error: Exception, stream: bool
) -> None:
    world.say(lambda request: error)
    reason = "failed" if isinstance(error, TransientEndpointError) else "crashed"
    series = f'cowest_degraded_total{{missing="weak",reason="{reason}"}}'
    before = world.metric(series)
    response = world.post(question(stream=stream), x_cowest_draft="1")
    assert response.status_code == 200
    assert response.headers["x-cowest-degraded"] == "weak"
    assert world.strong.asked[0]["messages"] == [{"role": "user", "content": SOLO}]
    shown = json.loads(events(response.text)[0]) if stream else response.json()
    assert shown["cowest"] == {"draft": None}
    assert world.comes_to(series, before + 1)


def test_a_draft_that_is_late_is_given_up(hasty: World) -> None:
    cancelled = threading.Event()

    async def never(request: Any) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return ""

    hasty.say(never)
    response = hasty.post(question())
    assert response.headers["x-cowest-degraded"] == "weak"
    assert response.json()["usage"]["cowest"].keys() == {"strong"}
    assert cancelled.is_set()
    assert hasty.comes_to('cowest_degraded_total{missing="weak",reason="deadline"}', 1)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["server_error", "timeout", "rate_limited", "wrong_key", "no_finish_reason"])
def test_the_draft_in_place_of_the_answer(hasty: World, fault: str, stream: bool) -> None:
    hasty.strong.fault = fault
    response = hasty.post(question(stream=stream))
    assert response.status_code == 200
    assert response.headers["x-cowest-degraded"] == "strong"
    if stream:
        *chunks, done = events(response.text)
        deltas = [json.loads(data)["choices"][0] for data in chunks]
        assert [each["delta"].get("content") for each in deltas] == [DRAFT, None]
        assert (deltas[-1]["finish_reason"], done) == ("stop", "[DONE]")
    else:
        assert response.json()["choices"][0]["message"]["content"] == DRAFT
        assert response.json()["usage"]["cowest"].keys() == {"weak"}


def test_the_draft_does_not_stand_in_for_a_refused_request(hasty: World) -> None:
    hasty.strong.fault = "bad_request"
    assert hasty.post(question()).status_code == 400


def test_with_both_down_there_is_no_answer(hasty: World) -> None:
    hasty.strong.fault = "server_error"
    hasty.say(lambda request: TransientEndpointError("gone"))
    assert hasty.post(question()).status_code == 502


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_ends_the_strong_models_call(world: World, stream: bool) -> None:
    world.strong.stream = [chunk("first"), threading.Event()]
    world.strong.hold = None if stream else threading.Event()
    gone = world.metric('cowest_requests_total{model="pair",outcome="gone"}')
    with httpx2.Client(timeout=30) as client:
        if stream:
            with client.stream("POST", f"{world.url}/v1/chat/completions", json=question(stream=True)) as response:
                next(response.iter_text())
        else:
            thread = threading.Thread(target=_give_up_when, args=(world.strong.arrived, world.url))
            thread.start()
            thread.join(10)
    assert world.strong.gone.wait(5)
    assert world.comes_to("cowest_in_flight", 0)
    assert world.comes_to('cowest_requests_total{model="pair",outcome="gone"}', gone + 1)


def test_a_client_that_goes_away_ends_the_draft(world: World) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def never(request: Any) -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return ""

    world.say(never)
    _give_up_when(begun, world.url)
    assert cancelled.wait(5)
    assert not world.strong.asked


def _give_up_when(arrived: threading.Event, url: str) -> None:
    """Sends a question on a bare connection, and closes it once it has arrived where it should."""
    body = json.dumps(question()).encode()
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert arrived.wait(10)
