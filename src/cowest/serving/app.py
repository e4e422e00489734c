"""The endpoint as an ASGI application: routes, limits on concurrent requests, and the log."""

import asyncio
import contextlib
import copy
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.models import ModelConfig
from cowest.models.providers.azure import AzureModel
from cowest.models.providers.openai import OpenAIModel
from cowest.recipe import Recipe
from cowest.serving.answering import Answering
from cowest.serving.conversation import Call, Part, parse
from cowest.serving.cors import add_cors
from cowest.serving.exchange import ClientGone, Exchange, error_response, http_error, read_body, unless_gone
from cowest.serving.gate import gate_of
from cowest.serving.guard import Guard
from cowest.serving.metrics import Metrics
from cowest.serving.other_interfaces import other_interfaces
from cowest.serving.pass_through import PassThrough
from cowest.serving.record import TrafficRecord
from cowest.serving.tracing import Tracing, open_tracing
from cowest.serving.upstream import Upstream
from cowest.serving.whole_text import WholeText
from cowest.serving.wire import APIError, Json
from cowest.serving_config import ServeConfig

_LOG = logging.getLogger("cowest.serving")
_COMPATIBLE: dict[str, type[OpenAIModel]] = {"openai": OpenAIModel, "azure": AzureModel}
_EXPIRE_EVERY_S = 3600
_RETRY_AFTER_S = 1
"""`Retry-After` of a refused request: a slot is free as soon as any answer ends."""


def make_app(
    recipe: Recipe, collaboration: Collaboration, *, key: str | None = None, tracing: Tracing | None = None
) -> Starlette:
    """The endpoint of a run.

    Args:
        recipe: names the run, the limits of the models and `serve`.
        collaboration: the pair; its models keep no ledger.
        key: the bearer token that clients must send; without one only requests to loopback names are answered.
        tracing: where spans go; None follows `serve.trace`.

    Raises:
        InputError: a model cannot be served as the recipe says, or the gate is not calibrated.
    """
    return _Endpoint(recipe, collaboration, key, tracing or open_tracing(recipe.serve.trace)).app


class _Endpoint:
    def __init__(self, recipe: Recipe, collaboration: Collaboration, key: str | None, tracing: Tracing) -> None:
        name = Path(recipe.run).absolute().name
        self._models: dict[str, Part] = {name: "both", f"{name}:weak": "weak", f"{name}:strong": "strong"}
        self._config = recipe.serve
        self._tracing = tracing
        self._collaboration = collaboration = copy.copy(collaboration)
        collaboration.weak = tracing.model(collaboration.weak, recipe.weak, "weak")
        for role, config in {"weak": recipe.weak, "strong": recipe.strong}.items():
            _refuse_budget(config, role)
        self._metrics = Metrics()
        weak = WholeText(
            collaboration.weak, collaboration.weak_sampling, timeout_s=recipe.weak.timeout_s, config=self._config
        )
        strong = _strong(recipe.strong, collaboration, self._config)
        self._strong = tracing.upstream(strong, recipe.strong, "strong")
        gate = gate_of(recipe, collaboration)
        if gate is not None and gate.note is not None:
            _LOG.warning(gate.note)
        self._answering = Answering(collaboration, weak, self._strong, self._config, self._metrics, gate)
        self._record = _record(recipe)
        self._in_flight = 0
        self._created = int(time.time())
        routes = [
            Route("/healthz", self._healthz),
            Route("/metrics", self._show_metrics),
            Route("/v1/models", self._list_models),
            Route("/v1/models/{name:path}", self._show_model),
            Route("/v1/chat/completions", _RawASGI(self._traced_chat), methods=["POST"]),
            *other_interfaces(),
        ]
        self.app = Starlette(routes=routes, lifespan=self._life, exception_handlers={HTTPException: http_error})
        self.app.add_middleware(Guard, key=key)
        add_cors(self.app, self._config.cors_origins, key)

    @contextlib.asynccontextmanager
    async def _life(self, app: Starlette) -> AsyncIterator[None]:
        await self._strong.open()
        expiring = asyncio.create_task(self._expire())
        try:
            yield
        finally:
            expiring.cancel()
            await asyncio.gather(expiring, return_exceptions=True)
            await self._collaboration.weak.close()
            await self._strong.close()
            await self._tracing.close()

    async def _expire(self) -> None:
        while self._record is not None:
            await asyncio.sleep(_EXPIRE_EVERY_S)
            try:
                self._record.expire()
            except OSError as error:
                _LOG.error("old records could not be deleted: %s", error.strerror)

    async def _healthz(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _show_metrics(self, request: Request) -> Response:
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _list_models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._model(name) for name in self._models]})

    async def _show_model(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._models:
            return error_response(
                APIError(404, f"The model {name!r} is not here.", code="model_not_found", param="model")
            )
        return JSONResponse(self._model(name))

    def _model(self, name: str) -> Json:
        return {"id": name, "object": "model", "created": self._created, "owned_by": "cowest"}

    async def _traced_chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._tracing.request(scope):
            await self._chat(scope, receive, send)

    async def _chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(send, self._config.slow_client_s)
        model, outcome = "", "refused"
        try:
            if self._in_flight >= self._config.max_concurrency:
                raise APIError(429, "The server is busy. Try again.", code="overloaded", retry_after_s=_RETRY_AFTER_S)
            self._in_flight += 1
            self._metrics.in_flight.set(self._in_flight)
            try:
                headers = Request(scope).headers
                raw = await read_body(headers.get("content-type", ""), receive, self._config)
                call = parse(raw, self._models, self._config, wants_draft=headers.get("x-cowest-draft") == "1")
                model = call.model
                outcome = await unless_gone(receive, self._answer(call, exchange))
            finally:
                self._in_flight -= 1
                self._metrics.in_flight.set(self._in_flight)
        except APIError as error:
            outcome = "refused" if error.status < 500 else "failed"
            with contextlib.suppress(ClientGone):
                await exchange.fail(error)
        except asyncio.CancelledError:  # the server stops, and `drain_s` is over
            outcome = "failed"
            raise
        except ClientGone:  # uvicorn closes a connection whose answer is incomplete
            outcome = "gone"
        except Exception as error:
            # Only its place in the code is logged: its message may contain what a client wrote.
            outcome = "failed"
            _LOG.error("%s: %s", exchange.id, _place(error))
            with contextlib.suppress(ClientGone):
                await exchange.fail(APIError(500, "The server failed. Its log says where.", code="internal_error"))
        finally:
            seconds = time.perf_counter() - exchange.started
            self._metrics.requests.labels(model, outcome).inc()
            if outcome in ("ok", "degraded"):
                self._metrics.answers.observe(seconds)
            self._tracing.note(exchange.id, model, outcome, exchange.status)
            _LOG.info("%s %s %s %s %.3f s", exchange.id, model or "-", outcome, exchange.status, seconds)

    async def _answer(self, call: Call, exchange: Exchange) -> str:
        reply = await self._answering.answer(call, f"chatcmpl-{exchange.id}")
        self._metrics.first_tokens.observe(time.perf_counter() - exchange.started)
        if reply.whole is not None:
            await exchange.send_whole(reply)
        else:
            await exchange.send_stream(reply)
        if exchange.broken:
            return "failed"
        if self._record is not None:
            try:
                self._record.add(call, reply)
            except OSError as error:
                self._metrics.record_failures.inc()
                _LOG.error("%s could not be recorded: %s", exchange.id, error.strerror)
        return "degraded" if reply.missing else "ok"


class _RawASGI:
    """An ASGI application as a route's endpoint; Starlette would call a function with a Request instead."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _strong(config: ModelConfig, collaboration: Collaboration, serve: ServeConfig) -> Upstream:
    """The strong model as it answers clients: passed through where it is one OpenAI-compatible endpoint."""
    endpoint = None if isinstance(config.base_url, tuple) else _COMPATIBLE.get(config.provider)
    if config.redact is None and endpoint is not None:
        return PassThrough(
            endpoint.from_config(config, 0),
            collaboration.strong_sampling,
            options=config.options,
            timeout_s=config.timeout_s,
            stall_s=serve.stall_s,
        )
    return WholeText(collaboration.strong, collaboration.strong_sampling, timeout_s=config.timeout_s, config=serve)


def _record(recipe: Recipe) -> TrafficRecord | None:
    config = recipe.serve.record
    if config is None:
        return None
    return TrafficRecord(Path(config.folder or Path(recipe.run) / "traffic"), config.keep_days)


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}{where}"


def _refuse_budget(config: ModelConfig, role: str) -> None:
    if config.budget_usd is not None:
        raise InputError(
            f"{role}.budget_usd caps what a run spends, and serve keeps no count over its restarts. Say that this is "
            f"wanted: {role}.budget_usd=null, and set a limit at the endpoint."
        )
