import asyncio
from typing import Any
from unittest.mock import Mock

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from cowest.serving.protocol import HeldHeadTransport
from tests.serving.served import running

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


def writing() -> tuple[HeldHeadTransport, Any]:
    transport = Mock(**{"is_closing.return_value": False})
    return HeldHeadTransport(transport), transport


def written(transport: Any) -> list[bytes]:
    return [call.args[0] for call in transport.write.call_args_list]


async def test_a_head_and_the_first_of_the_body_are_one_write() -> None:
    waits, transport = writing()
    waits.write(HEAD)
    assert not written(transport)
    waits.write(b"{}")
    waits.write(b"more")
    await asyncio.sleep(0)
    assert written(transport) == [HEAD + b"{}", b"more"]


async def test_a_head_alone_waits_for_one_turn_of_the_loop() -> None:
    waits, transport = writing()
    waits.write(HEAD)
    await asyncio.sleep(0)
    assert written(transport) == [HEAD]


async def test_a_head_is_written_before_the_connection_is_closed() -> None:
    waits, transport = writing()
    waits.write(HEAD)
    waits.close()
    assert [call[0] for call in transport.method_calls] == ["is_closing", "write", "close"]


async def test_nothing_is_written_to_a_connection_that_is_gone() -> None:
    waits, transport = writing()
    waits.write(HEAD)
    transport.is_closing.return_value = True
    await asyncio.sleep(0)
    assert not written(transport)


def test_answers_of_every_kind_over_one_connection() -> None:
    def empty(request: Request) -> Response:
        return Response(status_code=204)

    def pieces(request: Request) -> Response:
        async def body() -> Any:
            for piece in ("one ", "two ", "HTTP/1.1 three\r\n\r\n"):
                await asyncio.sleep(0)
                yield piece

        return StreamingResponse(body())

    app = Starlette(routes=[Route("/empty", empty), Route("/pieces", pieces)])
    with running(app) as url, httpx2.Client(trust_env=False) as client:
        for _ in range(3):
            assert client.get(f"{url}/pieces").text == "one two HTTP/1.1 three\r\n\r\n"
            assert client.get(f"{url}/empty").status_code == 204
            assert client.head(f"{url}/pieces").text == ""
