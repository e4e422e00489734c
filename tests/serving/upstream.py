"""A scripted OpenAI-compatible endpoint that streams, as the strong model behind the server under test."""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.endpoint import BEHAVIOUR, FAULTS, Behaviour

Json = dict[str, Any]
CUT, END = "cut", "end"
Step = Json | bytes | str | threading.Event
"""Of a stream: a chunk, raw bytes, CUT (the connection breaks), END (the body ends), or an event that is waited for."""


def chunk(text: str | None = None, finish_reason: str | None = None, index: int = 0, **more: Any) -> Json:
    delta = {} if text is None else {"content": text}
    return {
        "id": "upstream-1", "object": "chat.completion.chunk", "created": 1, "model": "upstream",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}], **more,
    }  # fmt: skip


def echo(body: Json) -> str:
    return f"Explanation: heard. Answer: {len(body['messages'])}"


@dataclass
class StrongEndpoint:
    """What the endpoint does, and what it saw; to be changed between requests.

    Attributes:
        reply: the text of an answer.
        more: further fields of the whole answer's message, or of the answer itself.
        fault: one of `FAULTS` that befalls every request, streamed or not.
        stream: the steps of a stream; None streams the reply word by word.
        refusal: an error object with which every request is refused (422).
        hold: is waited for before anything is answered.
        asked, heard: bodies and headers of the requests.
        gone: set when a request was given up by whoever sent it.
        arrived: set when a request has come.
    """

    reply: Callable[[Json], str] = echo
    message: Json = field(default_factory=dict)
    more: Json = field(default_factory=dict)
    fault: str | None = None
    stream: list[Step] | None = None
    refusal: Json | None = None
    hold: threading.Event | None = None
    asked: list[Json] = field(default_factory=list)
    heard: list[dict[str, str]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**28)
        app[BEHAVIOUR] = Behaviour()
        app.router.add_post("/v1/chat/completions", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        self.heard.append({name.lower(): value for name, value in request.headers.items()})
        self.arrived.set()
        try:
            return await self._respond(request, body)
        except (asyncio.CancelledError, ConnectionError):
            self.gone.set()
            raise

    async def _respond(self, request: web.Request, body: Json) -> web.StreamResponse:
        if self.hold is not None:
            await asyncio.to_thread(self.hold.wait, 20)
        if self.refusal is not None:
            return web.json_response({"error": self.refusal}, status=422)
        whole = self._whole(body)
        if self.fault is not None:
            return await FAULTS[self.fault](request, whole, 20)
        return await self._stream(request, body, whole) if body.get("stream") else web.json_response(whole)

    def _whole(self, body: Json) -> Json:
        message = {"role": "assistant", "content": self.reply(body), **self.message}
        choices = [{"index": index, "message": message, "finish_reason": "stop"} for index in range(body.get("n", 1))]
        usage = {
            "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 64},
        }  # fmt: skip
        return {
            "id": "upstream-1", "object": "chat.completion", "created": 1, "model": "upstream", "choices": choices,
            "usage": usage, **self.more,
        }  # fmt: skip

    async def _stream(self, request: web.Request, body: Json, whole: Json) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for step in self._steps(body, whole) if self.stream is None else self.stream:
            if isinstance(step, threading.Event):
                while not step.is_set():  # so that a request that is given up is noticed
                    await asyncio.sleep(0.005)
            elif step == CUT:
                assert request.transport is not None
                request.transport.abort()
                return response
            elif step == END:
                return response
            else:
                await response.write(
                    step if isinstance(step, bytes) else b"data: " + json.dumps(step).encode() + b"\n\n"
                )
        await response.write(b"data: [DONE]\n\n")
        return response

    @staticmethod
    def _steps(body: Json, whole: Json) -> list[Step]:
        text = whole["choices"][0]["message"]["content"]
        steps: list[Step] = []
        for index in range(body.get("n", 1)):
            steps += [chunk(word, index=index) for word in text.replace(" ", " \0").split("\0")]
            steps.append(chunk(finish_reason="stop", index=index))
        if (body.get("stream_options") or {}).get("include_usage"):
            steps.append(chunk() | {"choices": [], "usage": whole["usage"]})
        return steps
