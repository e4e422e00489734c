"""OpenTelemetry traces of requests and of the calls made for them: names, counts and times, never a text."""

import asyncio
import contextlib
import importlib.util
import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from starlette.types import Scope

from cowest.errors import CowestError, InputError
from cowest.models import ChatModel, ModelConfig
from cowest.serving.upstream import Upstream
from cowest.serving.wire import APIError, Json
from cowest.types import ChatRequest, Completion

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")

_PROVIDERS = {"azure": "azure.ai.openai", "google": "gcp.gemini"}
"""OpenTelemetry's names where they are not ours."""

_FINISH_REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}
"""Of an endpoint's own words only these are written down."""


class Tracing:
    """Spans of requests and calls.

    A request's span continues the trace that its `traceparent` names; `tracestate` and baggage, which may hold
    anything, are not read. Calls to the models carry no trace: clients' headers go nowhere.

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
        """Writes into the request's span what became of it; `status` is 0 where no answer began."""
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
        """The model, whose calls are traced."""
        return _TracedModel(model, self, config, role)

    def upstream(self, upstream: Upstream, config: ModelConfig, role: str) -> Upstream:
        """The upstream, whose calls are traced."""
        return _TracedUpstream(upstream, self, config, role)

    @contextlib.contextmanager
    def call(self, config: ModelConfig, role: str) -> Iterator["Span"]:
        """The span of a call to a model; what is raised in it marks it, without its words."""
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
        except GeneratorExit:  # whoever read a stream wants no more of it
            _mark(span, "cancelled")
            raise
        except BaseException as error:
            _mark(span, _kind(error))
            raise
        finally:
            span.end()

    async def close(self) -> None:
        """Sends what is not sent yet."""
        await asyncio.to_thread(self._provider.shutdown)


class NoTracing(Tracing):
    """Writes nothing, and needs no package."""

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
    if not all(_is_there(name) for name in PACKAGES):
        raise InputError("serve.trace needs OpenTelemetry. Run: pip install 'cowest[otel]'")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # What is given to `create` wins over what the environment says.
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(resource=Resource.create({} if named else {"service.name": "cowest"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)


class _TracedModel:
    def __init__(self, model: ChatModel, tracing: Tracing, config: ModelConfig, role: str) -> None:
        self._model = model
        self._tracing = tracing
        self._config = config
        self._role = role
        self.name = model.name
        self.identity = model.identity

    async def complete(self, request: ChatRequest) -> Completion:
        with self._tracing.call(self._config, self._role) as span:
            completion = await self._model.complete(request)
            _told(span, completion.usage.model_dump(), [completion.finish_reason])
            return completion

    async def close(self) -> None:
        await self._model.close()


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
            _told(span, reply.get("usage"), [choice.get("finish_reason") for choice in reply["choices"]])
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
            _told(span, usage, reasons)


def _told(span: "Span", usage: Json | None, reasons: Sequence[Any]) -> None:
    """Writes down what a model counted and why it stopped."""
    known = [str(reason) if str(reason) in _FINISH_REASONS else "other" for reason in reasons]
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
    """Of an error its kind; an endpoint's own codes may be anything."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    if isinstance(error, APIError):
        return error.code if error.code and error.code.startswith("upstream_") else str(error.status)
    return type(error).__name__ if isinstance(error, CowestError) else "crashed"


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
