"""Limits on connections: how many, how long they may be silent, and what they make the log say."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cowest.errors import InputError
from cowest.serving.connections import Connections
from cowest.serving.quiet_log import OnceASecond
from cowest.serving.running import num_connections
from tests.serving.served import World, question, recipe_of, served

LIMIT, HEAD_S = 3, 0.2


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Wire:
    """A connection that notes when it is closed."""

    def __init__(self) -> None:
        self.is_closed = False

    def abort(self) -> None:
        self.is_closed = True


def test_a_new_connection_takes_the_place_of_the_longest_silent_one() -> None:
    all_, first, second, third, fourth = Connections(3, 10), Wire(), Wire(), Wire(), Wire()
    for wire in (first, second, third):
        all_.opened(wire)
    all_.asked(first)
    all_.opened(fourth)
    assert [wire.is_closed for wire in (first, second, third, fourth)] == [False, True, False, False]
    for wire in (third, fourth):
        all_.asked(wire)
    fifth = Wire()
    all_.opened(fifth)
    assert fifth.is_closed, "where all have a request in work, the new one goes"
    all_.answered(first)
    sixth = Wire()
    all_.opened(sixth)
    assert (first.is_closed, sixth.is_closed) == (True, False)


def test_the_slow_are_closed_in_one_line_of_log(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    all_, silent, busy, late = Connections(10, 10, clock), [Wire() for _ in range(5)], Wire(), Wire()
    for wire in (*silent, busy):
        all_.opened(wire)
    all_.asked(busy)
    clock.now_s += 9
    all_.opened(late)
    all_.sweep()
    assert not any(wire.is_closed for wire in (*silent, busy, late))
    clock.now_s += 1
    all_.sweep()
    assert [wire.is_closed for wire in (*silent, busy, late)] == [True] * 5 + [False, False]
    all_.answered(busy)
    clock.now_s += 10
    all_.sweep()
    assert busy.is_closed
    all_.sweep()
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [5, 2]


def test_a_message_is_logged_once_a_second_with_the_number_left_out() -> None:
    clock = Clock()
    limit = OnceASecond(clock)

    def logged(message: str) -> str | None:
        record = logging.LogRecord("uvicorn.error", logging.WARNING, __file__, 1, message, (), None)
        return record.getMessage() if limit.filter(record) else None

    assert [logged(text) for text in ("bad", "bad", "other", "bad")] == ["bad", None, "other", None]
    clock.now_s += 1
    assert logged("bad") == "bad (and 2 more of these)"
    clock.now_s += 1
    assert logged("bad") == "bad"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    run = str(tmp_path_factory.mktemp("runs") / "pair")
    with served(run, max_connections=LIMIT, head_s=HEAD_S) as world:
        yield world


def connected(world: World, data: bytes = b"") -> socket.socket:
    address = urlsplit(world.url)
    made = socket.create_connection((address.hostname or "", address.port or 0), timeout=10)
    made.sendall(data)
    return made


HALF = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="silent"),
        pytest.param(HALF, id="half a head"),
        pytest.param(
            b"GET /none HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nhalf a bo", id="half a body"
        ),
    ],
)
def test_who_asks_for_nothing_is_sent_away(small: World, data: bytes) -> None:
    with connected(small, data) as slow:
        received = b""
        while piece := _received(slow):
            received += piece
    assert received.startswith(b"HTTP/1.1 404") == (b"GET" in data)


def test_silent_connections_keep_nobody_out(small: World) -> None:
    held = [connected(small, HALF if number % 2 else b"") for number in range(4 * LIMIT)]
    assert small.get("/healthz").status_code == 200
    assert small.post(question()).status_code == 200
    for each in held:
        each.close()


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(10_000)
    except ConnectionResetError:
        return b""


def test_there_are_fewer_connections_where_fewer_files_may_be_open(tmp_path: Path) -> None:
    strong = {"model": "openai/big", "base_url": "http://127.0.0.1:1/v1"}
    wanted = 10**9
    assert num_connections(recipe_of(str(tmp_path), strong, max_connections=8)) == 8
    assert 8 < num_connections(recipe_of(str(tmp_path), strong, max_connections=wanted)) < wanted
    with pytest.raises(InputError, match="ulimit -n"):
        num_connections(recipe_of(str(tmp_path), strong | {"max_concurrency": wanted}))
