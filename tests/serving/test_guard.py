"""Who may call, with how much: the key, names, sizes, formats and slots; and what the log says."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import openai
import pytest

from cowest.errors import InputError
from cowest.serving import api_key
from tests.serving.served import DRAFT, World, question, served, until
from tests.serving.upstream import chunk

KEY = "sk-cowest-secret"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    run = str(tmp_path_factory.mktemp("runs") / "pair")
    with served(run, key=KEY, max_concurrency=2, max_body_bytes=2000, slow_client_s=0.3) as world:
        yield world


def test_the_key_is_asked_for(locked: World) -> None:
    for given in ({}, {"authorization": "Bearer wrong"}, {"authorization": KEY}, {"authorization": f"bearer {KEY}"}):
        for response in (
            locked.post(question(), **given),
            locked.get("/metrics", **given),
            locked.get("/v1/models", **given),
        ):
            assert response.status_code == 401
            assert response.json()["error"]["code"] == "invalid_api_key"
            assert KEY not in response.text
    assert not locked.strong.asked
    assert locked.get("/healthz").status_code == 200
    client = openai.OpenAI(base_url=f"{locked.url}/v1", api_key=KEY, max_retries=0)
    assert client.chat.completions.create(**question()).choices[0].message.content
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").chat.completions.create(**question())
    assert all("authorization" not in heard or KEY not in heard["authorization"] for heard in locked.strong.heard)


def test_a_key_of_strange_characters_is_only_wrong(locked: World) -> None:
    with connect(locked.url, key="\x80\xff") as connection:
        assert b" 401 " in connection.recv(100)


def test_without_a_key_only_loopback_names_are_served(world: World) -> None:
    assert world.post(question(), host="evil.example").status_code == 403
    assert world.post(question(), host="localhost:1").status_code == 200
    assert world.post(question(), host="[::1]:8000").status_code == 200
    assert world.post(question(), host="LOCALHOST").status_code == 200
    for odd in ("[::1].evil.example", "localhost:@evil.example", "[::1", "[localhost", "127.0.0.1:80x", ""):
        assert world.post(question(), host=odd).status_code == 403, odd


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_other_hosts_need_a_key(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COWEST_API_KEY", raising=False)
    with pytest.raises(InputError, match="COWEST_API_KEY"):
        api_key(host)
    monkeypatch.setenv("COWEST_API_KEY", " ")
    with pytest.raises(InputError):
        api_key(host)
    monkeypatch.setenv("COWEST_API_KEY", KEY)
    assert api_key(host) == KEY


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.5.5.5"])
def test_loopback_needs_none(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COWEST_API_KEY", raising=False)
    assert api_key(host) is None


ROUTING = (
    "api_base", "api_key", "api_version", "aws_bedrock_runtime_endpoint", "aws_sts_endpoint", "azure_ad_token",
    "base_url", "extra_body", "extra_headers", "fallbacks", "models", "plugins", "preset", "provider", "route",
    "vertex_credentials", "anything_new",
)  # fmt: skip
"""By which gateways choose endpoint, key or model."""


def body(**changes: Any) -> bytes:
    return json.dumps(question() | changes).encode()


@pytest.mark.parametrize(
    ("raw", "status", "param"),
    [
        (b"", 400, None),
        (b"{", 400, None),
        (b"[]", 400, None),
        (b"\xff\xfe", 400, None),
        (b"[" * 100_000, 400, None),
        (body(temperature=float("nan")), 400, None),
        (body(temperature=0).replace(b'"temperature": 0', b'"temperature": 1e400'), 400, None),
        (body(model="x" * 1000), 404, "model"),
        (body(messages=[{"role": "user", "content": "\ud83d"}]), 400, None),
        (body(model=None), 400, "model"),
        (body(model="gpt-5"), 404, "model"),
        (body(messages=None), 400, "messages"),
        (body(messages="hello"), 400, "messages"),
        (body(messages=["hello"]), 400, "messages"),
        (body(messages=[{"content": "hello"}]), 400, "messages"),
        (body(messages=[{"role": "system", "content": "hello"}]), 400, "messages"),
        (body(messages=[{"role": "user", "content": " "}]), 400, "messages"),
        (body(messages=[{"role": "user", "content": 3}]), 400, "messages"),
        (body(messages=[{"role": "user", "content": [{"type": "text"}]}]), 400, "messages"),
        (body(messages=[{"role": "user", "content": [3]}]), 400, "messages"),
        (body(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]), 400, "messages"),
        (body(stream="yes"), 400, "stream"),
        (body(stream_options={"include_usage": True}), 400, "stream_options"),
        (body(n=0), 400, "n"),
        (body(n=True), 400, "n"),
        (body(n=1000), 400, "n"),
        (body(top_logprobs=1000), 400, "top_logprobs"),
        (body(stop=["a"] * 100), 400, "stop"),
        (body(tools=[{}] * 200), 400, "tools"),
        (body(logit_bias=dict.fromkeys(map(str, range(2000)), 1)), 400, "logit_bias"),
        (body(metadata={"tags": ["dear"]}), 400, "metadata"),
        (body(messages=[{"role": "user", "content": "a"}] * 1001), 400, "messages"),
        (body(messages=[{"role": "user", "content": "a" * 500_001}] * 2), 400, "messages"),
        (body(tools=[[0] * 50_000]), 400, None),
        *((body(**{name: "x"}), 400, name) for name in ROUTING),
    ],
)
def test_what_is_no_request_is_refused_before_any_model_is_called(
    world: World, raw: bytes, status: int, param: str | None
) -> None:
    response = world.post(raw)
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (status, param)
    assert error["type"] == ("not_found_error" if status == 404 else "invalid_request_error")
    assert not world.weak.requests
    assert not world.strong.asked


@pytest.mark.parametrize("name", ["temperature", "seed", "user"])
def test_null_is_as_if_not_there(world: World, name: str) -> None:
    assert world.post(body(**{name: None})).status_code == 200
    assert world.strong.asked[0]["temperature"] == 1.0


def test_texts_with_many_marks_are_no_larger_for_it(world: World) -> None:
    marks = '[{,"\\ \\"' * 30_000
    assert world.post(body(messages=[{"role": "user", "content": marks}])).status_code == 200
    assert marks in world.strong.asked[0]["messages"][0]["content"]


def test_other_routes_and_methods(world: World) -> None:
    for path, status in (("/v1/completions", 404), ("/", 404), ("/v1/models/none", 404), ("/v1/chat/completions", 405)):
        response = world.get(path)
        assert (response.status_code, set(response.json())) == (status, {"error"})


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/completions", "/v1/messages"])
def test_another_interface_is_refused_with_the_place_of_this_one(world: World, path: str) -> None:
    response = world.post(body(), path=path)
    assert response.status_code == 404
    assert "/v1/chat/completions" in response.json()["error"]["message"]


def test_only_what_is_said_to_be_json_is_read(world: World) -> None:
    assert world.post(body(), content_type="text/plain").status_code == 415
    assert world.post(body(), content_type="application/json; charset=utf-8").status_code == 200


def test_a_large_body_is_refused(locked: World) -> None:
    large = body(messages=[{"role": "user", "content": "x" * 3000}])
    assert locked.post(large, authorization=f"Bearer {KEY}").status_code == 413


def connect(url: str, *, length: int = 10, key: str = KEY) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.sendall(
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode("latin-1")
    )
    return connection


def test_a_body_that_never_comes_is_not_waited_for(locked: World) -> None:
    with connect(locked.url) as connection:
        assert b" 408 " in connection.recv(100)


def test_a_client_that_does_not_read_is_dropped(locked: World) -> None:
    locked.strong.reset()
    piece = chunk("x" * 100_000)
    locked.strong.stream = [piece] * 400
    asked = body(stream=True)
    with connect(locked.url, length=len(asked)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(asked)
        assert locked.strong.gone.wait(10)


def test_more_than_the_slots_are_told_to_come_back(locked: World) -> None:
    locked.strong.reset()
    locked.strong.hold = hold = threading.Event()
    given = {"authorization": f"Bearer {KEY}"}
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(locked.post(question(), **given).status_code)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    while len(locked.strong.asked) < 2:
        locked.strong.arrived.wait(0.01)
    refused = locked.post(question(), **given)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["error"]["code"] == "overloaded"
    hold.set()
    for thread in threads:
        thread.join(10)
    assert statuses == [200, 200]
    assert locked.post(question(), **given).status_code == 200


def test_the_log_holds_no_text(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="cowest")

    def lines() -> list[str]:
        return [record.getMessage() for record in list(caplog.records) if record.name.startswith("cowest")]

    for number, outcome in enumerate(("ok 200", "refused 400", "degraded 200", "refused 400"), 1):
        world.strong.fault = "bad_request" if number == 2 else None
        if number == 3:
            world.say(lambda request: RuntimeError(f"cannot do {request.messages[-1].content}"))
        asked = b'{"my secret": "question"}' if number == 4 else json.dumps(question("my secret question")).encode()
        identifier = world.post(asked, x_cowest_draft="1").headers["x-request-id"]
        assert until(partial(_has_line, lines, identifier, outcome))
    assert not any("secret" in line or DRAFT in line for line in caplog.text.splitlines() + lines())


def _has_line(lines: Callable[[], list[str]], start: str, holds: str) -> bool:
    return any(line.startswith(start) and holds in line for line in lines())
