"""OpenTelemetry traces of requests and of their calls to models: names, counts and times, never a text."""

import asyncio
import contextlib
import importlib.util
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from starlette.types import Scope

from cowest.errors import CowestError, InputError
from cowest.models import ChatModel, ModelConfig
from cowest.models.wrapper import WrapperModel
from cowest.serving.upstream import Upstream
from cowest.serving.wire import APIError, Json, known_reason
from cowest.types import ChatRequest, Completion

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")

_PROVIDERS = {"azure": "azure.ai.openai", "google": "gcp.gemini"}
"""OpenTelemetry's provider names where they differ from ours."""


class Tracing:
    """Spans of requests and calls.

    A request's span continues the trace that its `traceparent` names; `tracestate` and baggage, which may contain
    anything, are not read. Calls to the models carry no trace context.

    Args:
        provider: where the spans go.
    """

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("cowest")

    @contextlib.contextmanager
    def request(self, scope: Scope) -> Iterator[None]:
        """The span of a request."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        sent = dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1")
        attributes = {"http.request.method": scope["method"], "http.route": scope["path"]}
        with self._tracer.start_as_current_span(
            f"{scope['method']} {scope['path']}",
            context=TraceContextTextMapPropagator().extract({"traceparent": sent}),
            kind=SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ):
            yield

    def note(self, id: str, model: str, outcome: str, status: int) -> None:
        """Adds the outcome to the span of the request; `status` is 0 where no answer was started."""
        from opentelemetry import trace

        span = trace.get_current_span()
        span.set_attributes({"cowest.request.id": id, "cowest.outcome": outcome})
        if status:
            span.set_attribute("http.response.status_code", status)
        if model:
            span.set_attribute("gen_ai.request.model", model)
        if outcome == "failed":
            _mark(span, str(status) if status >= 400 else "cut_off")

    def model(self, model: ChatModel, config: ModelConfig, role: str) -> ChatModel:
        """The model with traced calls."""
        return _TracedModel(model, self, config, role)

    def upstream(self, upstream: Upstream, config: ModelConfig, role: str) -> Upstream:
        """The upstream with traced calls."""
        return _TracedUpstream(upstream, self, config, role)

    @contextlib.contextmanager
    def call(self, config: ModelConfig, role: str) -> Iterator["Span"]:
        """The span of a call to a model; an exception marks it as failed, without its message."""
        from opentelemetry.trace import SpanKind

        span = self._tracer.start_span(
            f"chat {config.model_name}",
            kind=SpanKind.INTERNAL if config.provider == "local" else SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": _PROVIDERS.get(config.provider, config.provider),
                "gen_ai.request.model": config.model_name,
                "cowest.role": role,
            },
        )
        try:
            yield span
        except GeneratorExit:  # the reader closed the stream
            _mark(span, "cancelled")
            raise
        except BaseException as error:
            _mark(span, _kind(error))
            raise
        finally:
            span.end()

    async def close(self) -> None:
        """Exports the remaining spans."""
        await asyncio.to_thread(self._provider.shutdown)


class NoTracing(Tracing):
    """Traces nothing and needs no package."""

    def __init__(self) -> None:
        pass

    @contextlib.contextmanager
    def request(self, scope: Scope) -> Iterator[None]:
        """Nothing."""
        yield

    def note(self, id: str, model: str, outcome: str, status: int) -> None:
        """Nothing."""

    def model(self, model: ChatModel, config: ModelConfig, role: str) -> ChatModel:
        """The model itself."""
        return model

    def upstream(self, upstream: Upstream, config: ModelConfig, role: str) -> Upstream:
        """The upstream itself."""
        return upstream

    async def close(self) -> None:
        """Nothing."""


def open_tracing(is_on: bool) -> Tracing:
    """Tracing to the collector that OpenTelemetry's own environment variables name, over OTLP and HTTP.

    Raises:
        InputError: it is on, and its packages are not installed.
    """
    if not is_on:
        return NoTracing()
    if not all(_is_installed(name) for name in PACKAGES):
        raise InputError("serve.trace needs OpenTelemetry. Run: pip install 'cowest[otel]'")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # Attributes given to `create` override those of the environment.
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(resource=Resource.create({} if named else {"service.name": "cowest"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)


class _TracedModel(WrapperModel):
    def __init__(self, model: ChatModel, tracing: Tracing, config: ModelConfig, role: str) -> None:
        super().__init__(model)
        self._tracing = tracing
        self._config = config
        self._role = role

    async def complete(self, request: ChatRequest) -> Completion:
        with self._tracing.call(self._config, self._role) as span:
            completion = await self.model.complete(request)
            _record_reply(span, completion.usage.model_dump(), [completion.finish_reason])
            return completion


class _TracedUpstream:
    def __init__(self, upstream: Upstream, tracing: Tracing, config: ModelConfig, role: str) -> None:
        self._upstream = upstream
        self._tracing = tracing
        self._config = config
        self._role = role
        self.open = upstream.open
        self.close = upstream.close
        self.check = upstream.check

    async def complete(self, messages: Sequence[Json], fields: Json) -> Json:
        with self._tracing.call(self._config, self._role) as span:
            reply = await self._upstream.complete(messages, fields)
            _record_reply(span, reply.get("usage"), [choice.get("finish_reason") for choice in reply["choices"]])
            return reply

    async def stream(self, messages: Sequence[Json], fields: Json) -> AsyncGenerator[Json]:
        usage: Json | None = None
        reasons: list[Any] = []
        with self._tracing.call(self._config, self._role) as span:
            async with contextlib.aclosing(self._upstream.stream(messages, fields)) as chunks:
                async for chunk in chunks:
                    usage = chunk.get("usage") or usage
                    reasons += [each["finish_reason"] for each in chunk["choices"] if each.get("finish_reason")]
                    yield chunk
            _record_reply(span, usage, reasons)


def _record_reply(span: "Span", usage: Json | None, reasons: Sequence[Any]) -> None:
    """Adds token counts and finish reasons to the span."""
    known = [str(known_reason(reason)) for reason in reasons]
    span.set_attribute("gen_ai.response.finish_reasons", known)
    for name, kind in (("input", "prompt"), ("output", "completion")):
        count = (usage or {}).get(f"{kind}_tokens")
        if isinstance(count, int):
            span.set_attribute(f"gen_ai.usage.{name}_tokens", count)


def _mark(span: "Span", kind: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))


def _kind(error: BaseException) -> str:
    """`error.type` of an exception, without codes that come from an endpoint, which may be anything."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    if isinstance(error, APIError):
        return error.code if error.code and error.code.startswith("upstream_") else str(error.status)
    return type(error).__name__ if isinstance(error, CowestError) else "crashed"


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
