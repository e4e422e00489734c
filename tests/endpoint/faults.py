"""Everything that goes wrong with endpoints, by name."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Fault = Callable[[web.Request, dict[str, Any], float], Awaitable[web.StreamResponse]]
"""From a request, the whole reply that it would have got, and the seconds a hanging call hangs."""


def error(status: int, message: str, *, code: str | None = None, **headers: str) -> web.Response:
    """An error as OpenAI words it."""
    body = {"error": {"message": message, "type": code or "error", "param": None, "code": code}}
    return web.json_response(
        body, status=status, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


def _status(status: int, message: str, *, code: str | None = None, **headers: str) -> Fault:
    async def fault(request: web.Request, reply: dict[str, Any], hang_s: float) -> web.StreamResponse:
        return error(status, message, code=code, **headers)

    return fault


def _choice(finish_reason: str | None, content: str | None = "half a rep", **message: Any) -> Fault:
    async def fault(request: web.Request, reply: dict[str, Any], hang_s: float) -> web.StreamResponse:
        choice = {**reply["choices"][0], "finish_reason": finish_reason}
        choice["message"] = {"role": "assistant", "content": content, **message}
        return web.json_response({**reply, "choices": [choice]})

    return fault


async def _hang(request: web.Request, reply: dict[str, Any], hang_s: float) -> web.StreamResponse:
    await asyncio.sleep(hang_s)
    return web.json_response(reply)


async def _reset(request: web.Request, reply: dict[str, Any], hang_s: float) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _cut_off(request: web.Request, reply: dict[str, Any], hang_s: float) -> web.StreamResponse:
    whole = json.dumps(reply).encode()
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(whole))})
    await response.prepare(request)
    await response.write(whole[: len(whole) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


async def _malformed(request: web.Request, reply: dict[str, Any], hang_s: float) -> web.StreamResponse:
    whole = json.dumps(reply)
    return web.Response(text=whole[: len(whole) // 2], content_type="application/json")


async def _error_as_reply(request: web.Request, reply: dict[str, Any], hang_s: float) -> web.StreamResponse:
    return web.json_response({"error": {"code": 502, "message": "the upstream provider is gone"}})


FAULTS: dict[str, Fault] = {
    "rate_limited": _status(429, "Slow down."),
    "rate_limited_retry_after": _status(429, "Slow down.", retry_after="1"),
    "server_error": _status(500, "Something broke."),
    "bad_gateway": _status(502, "The upstream is gone."),
    "unavailable": _status(503, "Overloaded."),
    "unavailable_retry_after": _status(503, "Overloaded.", retry_after="1"),
    "timeout": _hang,
    "reset": _reset,
    "cut_off": _cut_off,
    "malformed": _malformed,
    "error_as_reply": _error_as_reply,
    "no_finish_reason": _choice(None),
    "length": _choice("length"),
    "content_filter": _choice("content_filter"),
    "prompt_filtered": _status(400, "The prompt was filtered.", code="content_filter"),
    "empty": _choice("stop", ""),
    "refusal": _choice("stop", None, refusal="I cannot help with that."),
    "bad_request": _status(400, "The prompt is too long.", code="context_length_exceeded"),
    "wrong_key": _status(401, "Incorrect API key provided.", code="invalid_api_key"),
    "forbidden": _status(403, "This key may not use the model."),
    "unknown_model": _status(404, "The model does not exist.", code="model_not_found"),
    "no_quota": _status(429, "You exceeded your current quota.", code="insufficient_quota"),
    "no_balance": _status(402, "Insufficient balance."),
    "redirect": _status(307, "Moved.", location="http://127.0.0.1:1/v1/chat/completions"),
}
