"""The endpoint as an aiohttp application: chat completions, models, and a look at what it has seen."""

import asyncio
import json
import math
import time
from typing import Any

from aiohttp import web

from tests.endpoint.behaviour import Behaviour, Body, Counts, digest_of
from tests.endpoint.faults import FAULTS, error

BEHAVIOUR = web.AppKey("behaviour", Behaviour)


def make_app(behaviour: Behaviour) -> web.Application:
    """An application that behaves so; further routes may be added to it, and find the behaviour under BEHAVIOUR."""
    app = web.Application(client_max_size=2**28)
    app[BEHAVIOUR] = behaviour
    app.router.add_post("/v1/chat/completions", _chat_completions)
    app.router.add_get("/v1/models", _models)
    app.router.add_get("/counts", _counts)
    app.router.add_post("/reset", _reset)
    return app


async def complete(behaviour: Behaviour, body: Body) -> dict[str, Any]:
    """The whole reply to a body, without limits, faults or latency."""
    text = behaviour.reply(body)
    prompt_tokens, completion_tokens = num_prompt_tokens(body), len(text.split())
    return {
        "id": f"chatcmpl-{behaviour.counts.calls}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def num_prompt_tokens(body: Body) -> int:
    """Tokens of this endpoint are words."""
    return sum(len(message["content"].split()) for message in body["messages"])


def refusal_of(behaviour: Behaviour, authorization: str | None, model: str) -> web.Response | None:
    """What everyone gets who has not the right key or asks for a model that is not there."""
    if behaviour.key is not None and authorization != f"Bearer {behaviour.key}":
        return error(401, "Incorrect API key provided.", code="invalid_api_key")
    if behaviour.known_models is not None and model not in behaviour.known_models:
        return error(404, f"The model {model!r} does not exist.", code="model_not_found")
    return None


async def _chat_completions(request: web.Request) -> web.StreamResponse:
    behaviour = request.app[BEHAVIOUR]
    counts = behaviour.counts
    counts.calls += 1
    counts.in_flight += 1
    counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
    try:
        response = await _answer(request, behaviour, counts)
        counts.statuses[response.status] += 1
        return response
    finally:
        counts.in_flight -= 1


async def _answer(request: web.Request, behaviour: Behaviour, counts: Counts) -> web.StreamResponse:
    body: Body = json.loads(await request.read())
    counts.models[body["model"]] += 1
    if (refused := refusal_of(behaviour, request.headers.get("Authorization"), body["model"])) is not None:
        return refused
    digest = digest_of(body)
    fault = behaviour.fault(body, digest)
    headers = {}
    if fault is None or behaviour.faults_are_counted:
        limited = _take(behaviour, body)
        headers = _limit_headers(behaviour)
        if limited is not None:
            counts.refused += 1
            if behaviour.slow_refusals:
                await asyncio.sleep(behaviour.latency_s)
            limited.headers.update(headers)
            return limited
    if behaviour.latency_s:
        await asyncio.sleep(behaviour.latency_s)
    reply = await complete(behaviour, body)
    if fault is not None:
        counts.faults[fault] += 1
        return await FAULTS[fault](request, reply, behaviour.hang_s)
    counts.successes += 1
    counts.served[digest] += 1
    counts.success_times.append(time.monotonic())
    return web.json_response(reply, headers=headers)


def _take(behaviour: Behaviour, body: Body) -> web.Response | None:
    """The 429 where a limit is reached; else takes the call from the limits."""
    now = time.monotonic()
    num_tokens = num_prompt_tokens(body) + (body.get("max_tokens") or 16)
    if behaviour.tokens is not None and behaviour.tokens.remaining(now) < min(num_tokens, behaviour.tokens.limit):
        return _too_many(behaviour, "tokens", behaviour.tokens.wait_s(num_tokens, now))
    if behaviour.requests is not None and not behaviour.requests.take(1, now):
        return _too_many(behaviour, "requests", behaviour.requests.wait_s(1, now))
    if behaviour.tokens is not None:
        behaviour.tokens.take(num_tokens, now)
    return None


def _too_many(behaviour: Behaviour, what: str, wait_s: float) -> web.Response:
    told = {}
    if behaviour.retry_after == "seconds":
        told["retry_after"] = str(math.ceil(wait_s))
    elif behaviour.retry_after == "ms":
        told["retry_after_ms"] = str(math.ceil(wait_s * 1000))
    return error(429, f"Rate limit reached for {what}.", code="rate_limit_exceeded", **told)


def _limit_headers(behaviour: Behaviour) -> dict[str, str]:
    headers: dict[str, str] = {}
    if behaviour.headers:
        now = time.monotonic()
        for what, limiter in (("requests", behaviour.requests), ("tokens", behaviour.tokens)):
            if limiter is not None:
                headers[f"x-ratelimit-limit-{what}"] = f"{limiter.limit:.0f}"
                headers[f"x-ratelimit-remaining-{what}"] = f"{math.floor(max(0, limiter.remaining(now)))}"
                headers[f"x-ratelimit-reset-{what}"] = f"{1000 * limiter.reset_s(now):.0f}ms"
    return headers


async def _models(request: web.Request) -> web.Response:
    known = sorted(request.app[BEHAVIOUR].known_models or ())
    return web.json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in known]})


async def _counts(request: web.Request) -> web.Response:
    return web.json_response(vars(request.app[BEHAVIOUR].counts))


async def _reset(request: web.Request) -> web.Response:
    """Forgets what was counted and fills the limits again."""
    behaviour = request.app[BEHAVIOUR]
    behaviour.counts = Counts()
    behaviour.attempts.clear()
    behaviour.__post_init__()
    return web.json_response({})
