"""One HTTP exchange: reads the request, sends the answer, and notices a client that disconnects."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Send

from cowest.serving import large_json
from cowest.serving.answering import Reply
from cowest.serving.wire import DONE, APIError, Json, encode, event
from cowest.serving_config import ServeConfig

Result = TypeVar("Result")

_CHUNKS_IN_A_ROW = 32
"""That are sent before other requests have a turn."""


class ClientGone(Exception):
    """The client disconnected, or was slower than `slow_client_s`."""


class Exchange:
    """Sends the answer to one request and tracks how much was sent.

    Attributes:
        is_open: whether the answer has started and not ended.
        broken: whether a stream ended with an error.
    """

    def __init__(self, send: Send, slow_client_s: float) -> None:
        self.id = uuid.uuid4().hex
        self.started = time.perf_counter()
        self.status = 0
        self.is_open = False
        self.broken = False
        self._send_now = send
        self._slow_client_s = slow_client_s

    async def send_whole(self, reply: Reply) -> None:
        """Sends a whole answer."""
        assert reply.whole is not None
        body = await large_json.write(reply.whole, encode)
        await self._respond(Response(body, 200, self._headers(reply), media_type="application/json"))

    async def send_stream(self, reply: Reply) -> None:
        """Sends a stream; one that fails ends with an error event and without [DONE]."""
        assert reply.chunks is not None
        headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            "x-accel-buffering": "no",
            **self._headers(reply),
        }
        raw = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]
        async with contextlib.aclosing(reply.chunks) as chunks:
            await self._send({"type": "http.response.start", "status": 200, "headers": raw})
            try:
                num_sent = 0
                async for chunk in chunks:
                    await self._send_part(event(chunk))
                    num_sent += 1
                    if num_sent % _CHUNKS_IN_A_ROW == 0:
                        await asyncio.sleep(0)  # many that came at once keep nobody waiting
                await self._send_part(DONE, last=True)
            except APIError as error:
                self.broken = True
                await self._send_part(event(error.body), last=True)

    async def fail(self, error: APIError) -> None:
        """Sends an error.

        Raises:
            ClientGone: an answer has started already.
        """
        if self.status:
            raise ClientGone from error
        await self._respond(error_response(error, {"x-request-id": self.id}))

    def _headers(self, reply: Reply) -> dict[str, str]:
        headers = {"x-request-id": self.id}
        timings = [f"answer;dur={1000 * reply.answer_s:.1f}"]
        if reply.draft is not None:
            timings.insert(0, f"draft;dur={1000 * reply.draft.latency_s:.1f}")
        if reply.arm:
            headers["x-cowest-arm"] = reply.arm
        if reply.missing:
            headers["x-cowest-degraded"] = reply.missing
        return headers | {"server-timing": ", ".join(timings)}

    async def _respond(self, response: Response) -> None:
        await self._send(
            {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        )
        await self._send_part(bytes(response.body), last=True)

    async def _send_part(self, data: bytes, *, last: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.is_open = message["status"], True
        try:
            async with asyncio.timeout(self._slow_client_s):
                await self._send_now(message)
        except (TimeoutError, OSError) as error:
            raise ClientGone from error
        if message["type"] == "http.response.body" and not message["more_body"]:
            self.is_open = False


async def read_body(content_type: str, receive: Receive, config: ServeConfig) -> bytes:
    """The request's body.

    Raises:
        APIError: it is too large, too slow, or not declared as JSON (a web page cannot declare that without a CORS
            preflight).
        ClientGone: the client disconnected before its end.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise APIError(415, "The request needs the header Content-Type: application/json.")
    parts, size = [], 0
    try:
        async with asyncio.timeout(config.slow_client_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > config.max_body_bytes:
                    raise APIError(413, f"The body is larger than {config.max_body_bytes:,} bytes.")
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise APIError(408, f"The body did not come within {config.slow_client_s:g} s.") from None


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """Awaits `work`; cancels it, with its calls to models, when the client disconnects.

    Raises:
        ClientGone: the client disconnected.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((task, watch), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def error_response(error: APIError, headers: dict[str, str] | None = None) -> Response:
    """An error as a complete response."""
    headers = dict(headers or {})
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    return _json(error.body, error.status, headers)


async def http_error(request: Request, error: Exception) -> Response:
    """Starlette's own errors, such as an unknown path, as OpenAI's error objects."""
    assert isinstance(error, HTTPException)
    return error_response(APIError(error.status_code, f"{request.method} {request.url.path}: {error.detail}."))


def _json(data: Json, status: int, headers: dict[str, str]) -> Response:
    return Response(encode(data), status, headers, media_type="application/json")
