"""The way to the simulated endpoint: an HTTP transport without sockets, under the real client and provider."""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest import mock

import httpx2
import openai

from tests.simulation.faults import FAULTS, body_of
from tests.simulation.machine import Killed, Machine
from tests.simulation.server import Charge, Server
from tests.worlds import chance

FOREVER_S = 100_000.0
AWAY, AWAY_S = "127.0.0.2", 7.0
"""The endpoint that nobody can connect to in every other so many seconds."""
CUT_IN_STREAMS = {"cut_off": "break", "timeout": "silence", "no_finish_reason": "end", "garbage": "no JSON"}
"""What becomes of a stream half way, by the fault that befalls the call."""


@contextlib.contextmanager
def simulated_network(machine: Machine, server: Server) -> Iterator[None]:
    """Has every HTTP client of a provider reach the simulated endpoint, and nothing else."""

    def client(**settings: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(**settings, transport=_Transport(machine, server))

    with mock.patch.object(openai, "DefaultAioHttpClient", client):
        yield


class _Transport(httpx2.AsyncBaseTransport):
    def __init__(self, machine: Machine, server: Server) -> None:
        self._machine = machine
        self._server = server

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        machine, server = self._machine, self._server
        if machine.dead:
            raise Killed(1)
        process, body = machine.num_processes, json.loads(request.content)
        server.in_flight += 1
        server.most_in_flight = max(server.most_in_flight, server.in_flight)
        try:
            return await self._answer(request, body, process)
        finally:
            server.in_flight -= 1

    async def _answer(self, request: httpx2.Request, body: dict[str, Any], process: int) -> httpx2.Response:
        machine, server = self._machine, self._server
        if request.url.host == AWAY and int(machine.now() / AWAY_S) % 2 == 0:
            raise httpx2.ConnectError("refused") from ConnectionRefusedError(111, "Connection refused")
        fault = server.fault(body)
        machine.note(f"server gets {body['messages'][-1]['content'][:40]!r}: {fault or 'answers'}")
        if (wait_s := server.refusal_s()) is not None:
            return _too_many(request, server.plan.retry_after, wait_s)
        if fault is not None and FAULTS[fault].end == "refused":
            raise httpx2.ConnectError("refused") from ConnectionRefusedError(111, "Connection refused")
        reply = server.reply(body)
        charge = server.bill(body, reply, fault, process)
        latency = chance(server.plan.seed, "latency", len(server.charges), sum(server.attempts.values()))
        await asyncio.sleep(server.plan.latency_s * latency)
        if body.get("stream") and (fault is None or fault in CUT_IN_STREAMS):
            events = _Events(machine, server, reply, charge, fault)
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=events, request=request)
        if fault is None:
            return httpx2.Response(
                200, headers=_JSON, stream=_Body(machine, json.dumps(reply).encode(), charge), request=request
            )
        kind = FAULTS[fault]
        if kind.end == "never":
            await asyncio.sleep(FOREVER_S)
        if kind.end == "none":
            raise httpx2.ReadError("dropped") from ConnectionResetError(104, "Connection reset by peer")
        headers = {**_JSON, **dict(kind.headers)}
        if fault == "not_json":
            headers["content-type"] = "text/html"
        content = body_of(fault, reply, chance(server.plan.seed, "which", len(server.charges)))
        stream = _Body(machine, content, charge if kind.is_reply else None, is_half=kind.end == "half")
        return httpx2.Response(kind.status, headers=headers, stream=stream, request=request)


_JSON = {"content-type": "application/json"}


def _too_many(request: httpx2.Request, retry_after: str | None, wait_s: float) -> httpx2.Response:
    headers = {}
    if retry_after == "seconds":
        headers["retry-after"] = str(math.ceil(wait_s))
    elif retry_after == "ms":
        headers["retry-after-ms"] = str(math.ceil(wait_s * 1000))
    error = {"message": "Rate limit reached.", "type": "requests", "code": "rate_limit_exceeded"}
    return httpx2.Response(429, headers=headers, json={"error": error}, request=request)


class _Body(httpx2.AsyncByteStream):
    """A body in two parts; notes when the client has all of it."""

    def __init__(self, machine: Machine, content: bytes, charge: Charge | None, is_half: bool = False) -> None:
        self._machine = machine
        self._content = content
        self._charge = charge
        self._is_half = is_half

    async def __aiter__(self) -> AsyncIterator[bytes]:
        middle = len(self._content) // 2
        yield self._content[:middle]
        await asyncio.sleep(0)
        if self._is_half:
            raise httpx2.ReadError("cut off") from ConnectionResetError(104, "Connection reset by peer")
        if self._charge is not None and not self._machine.dead:
            self._charge.delivered_at = self._machine.now()
        yield self._content[middle:]


class _Events(httpx2.AsyncByteStream):
    """A reply as server-sent events, word by word, which may go wrong half way."""

    def __init__(
        self, machine: Machine, server: Server, reply: dict[str, Any], charge: Charge | None, fault: str | None
    ) -> None:
        self._machine = machine
        self._pause_s = server.plan.latency_s / 10
        self._reply = reply
        self._charge = charge
        self._fault = None if fault is None else CUT_IN_STREAMS[fault]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        words = self._reply["choices"][0]["message"]["content"].split(" ")
        for number, word in enumerate(words):
            if self._fault is not None and number == len(words) // 2:
                if self._fault == "break":
                    raise httpx2.ReadError("cut off") from ConnectionResetError(104, "Connection reset by peer")
                if self._fault == "silence":
                    await asyncio.sleep(FOREVER_S)
                if self._fault == "no JSON":
                    yield b"data: {\n\n"
                return
            await asyncio.sleep(self._pause_s)
            yield self._event({"content": (" " if number else "") + word})
        yield self._event({}, "stop")
        if self._charge is not None and not self._machine.dead:
            self._charge.delivered_at = self._machine.now()
        yield b"data: [DONE]\n\n"

    def _event(self, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        chunk = {name: self._reply[name] for name in ("id", "created", "model")} | {
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        }
        return f"data: {json.dumps(chunk)}\n\n".encode()
