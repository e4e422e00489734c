"""Spans of requests and calls: what they say, whose children they are, and that no text is in them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from aiohttp import web
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from cowest.collaboration import Collaboration
from cowest.errors import InputError, TransientEndpointError
from cowest.models.providers.scripted import ScriptedModel
from cowest.serving import make_app, tracing
from cowest.serving.tracing import Tracing
from tests.endpoint import BEHAVIOUR, FAULTS, Behaviour, serving
from tests.serving.served import World, events, question, recipe_of, served, until
from tests.serving.upstream import CUT, chunk

KEY, CLIENT_KEY = "sk-canary-upstream", "canary-of-the-client"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CANARIES = ("canary-question", "canary-draft", "canary-answer", KEY, CLIENT_KEY, "canary-tracestate")


class Exporter(InMemorySpanExporter):
    """Stays open: the module's server may be started more than once in a worker."""

    def shutdown(self) -> None:
        pass


EXPORTER = Exporter()


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UPSTREAM_KEY", KEY)
        strong = {"api_key_env": "UPSTREAM_KEY", "timeout_s": 0.5}
        run = str(tmp_path_factory.mktemp("runs") / "pair")
        with served(run, key=CLIENT_KEY, strong=strong, tracing=Tracing(provider), draft_deadline_s=0.5) as world:
            yield world


@pytest.fixture(autouse=True)
def canaries(traced: World) -> Iterator[None]:
    traced.strong.reset()
    traced.strong.reply = lambda body: "canary-answer"
    traced.say(lambda request: "canary-draft")
    EXPORTER.clear()
    yield
    told = "".join(span.to_json() + str(span.name) for span in EXPORTER.get_finished_spans())
    assert not [canary for canary in CANARIES if canary in told]
    assert not [event for span in EXPORTER.get_finished_spans() for event in span.events]


def ask(world: World, **more: Any) -> httpx2.Response:
    headers = {
        "authorization": f"Bearer {CLIENT_KEY}", "traceparent": f"00-{TRACE}-{PARENT}-01",
        "tracestate": "vendor=canary-tracestate", "baggage": "a=canary-tracestate",
    }  # fmt: skip
    return world.post(question("canary-question") | more, **headers)


def spans(count: int) -> list[ReadableSpan]:
    """The spans, the request's first."""
    assert until(lambda: len(EXPORTER.get_finished_spans()) >= count)
    found = sorted(EXPORTER.get_finished_spans(), key=lambda span: span.start_time or 0)
    assert len(found) == count
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_its_draft_and_its_refinement(traced: World, stream: bool) -> None:
    more: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    response = ask(traced, **more)
    request, draft, answer = spans(3)
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "gen_ai.request.model": "pair",
        "cowest.request.id": response.headers["x-request-id"],
        "cowest.outcome": "ok",
    }
    of_draft = dict(draft.attributes or {})
    assert isinstance(prompt_tokens := of_draft.pop("gen_ai.usage.input_tokens"), int)
    assert prompt_tokens > 5
    assert of_draft == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "tests.worlds:weak_reply",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.output_tokens": 1,
        "cowest.role": "weak",
    }
    assert dict(answer.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "big",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "cowest.role": "strong",
    }
    assert [span.kind for span in (request, draft, answer)] == [SpanKind.SERVER, SpanKind.CLIENT, SpanKind.CLIENT]
    assert {span.status.status_code for span in (request, draft, answer)} == {StatusCode.UNSET}


def test_the_clients_trace_is_continued_and_goes_no_further(traced: World) -> None:
    ask(traced)
    request, *calls = spans(3)
    assert request.parent is not None
    assert request.context is not None
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE, PARENT)
    assert {call.parent.span_id for call in calls if call.parent} == {request.context.span_id}
    assert not {"traceparent", "tracestate", "baggage"} & traced.strong.heard[0].keys()


def test_a_trace_of_its_own_without_a_valid_one(traced: World) -> None:
    traced.post(question(), authorization=f"Bearer {CLIENT_KEY}", traceparent="00-canary-01")
    assert spans(3)[0].parent is None


def kinds(found: list[ReadableSpan]) -> list[Any]:
    """Of each span, what went wrong; None where nothing did."""
    errors = [(span.attributes or {}).get("error.type") for span in found]
    assert [span.status.status_code == StatusCode.ERROR for span in found] == [error is not None for error in errors]
    assert not [span.status.description for span in found if span.status.description]
    return errors


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"length", "empty", "refusal"}))
def test_a_failure_of_the_strong_model_is_marked_without_its_words(traced: World, fault: str) -> None:
    traced.strong.fault = fault
    status = ask(traced).status_code
    found = spans(3)
    assert (found[0].attributes or {})["http.response.status_code"] == status
    request_kind, draft_kind, answer_kind = kinds(found)
    assert draft_kind is None
    if status != 200:
        assert answer_kind in ({str(status)} | {f"upstream_{why}" for why in WHY})
        assert request_kind == (str(status) if status >= 500 else None)


WHY = ("failed", "timeout", "unreachable", "cut_off", "malformed", "rate_limited")


def test_a_stream_that_breaks_is_marked(traced: World) -> None:
    traced.strong.stream = [chunk("canary-answer"), CUT]
    assert "error" in events(ask(traced, stream=True).text)[-1]
    assert kinds(spans(3))[0] == "cut_off"


def test_a_draft_that_fails_is_marked_and_the_request_is_none(traced: World) -> None:
    traced.say(lambda request: TransientEndpointError("canary-draft"))
    ask(traced)
    found = spans(3)
    assert kinds(found) == [None, "TransientEndpointError", None]
    assert (found[0].attributes or {})["cowest.outcome"] == "degraded"


def test_a_draft_that_is_late_is_marked(traced: World) -> None:
    async def never(request: Any) -> str:
        await asyncio.Event().wait()
        return ""

    traced.say(never)
    ask(traced)
    assert kinds(spans(3)) == [None, "cancelled", None]


def test_words_of_an_endpoint_are_not_written_down(traced: World) -> None:
    traced.strong.stream = [chunk("a"), chunk(finish_reason="canary-answer")]
    ask(traced, stream=True)
    assert (spans(3)[2].attributes or {})["gen_ai.response.finish_reasons"] == ("other",)


@pytest.mark.parametrize("stream", [False, True])
def test_a_finish_reason_of_another_kind_costs_no_answer(traced: World, stream: bool) -> None:
    odd: Any = ["canary-answer"]
    traced.strong.stream = [chunk("a"), chunk(finish_reason=odd)]
    traced.strong.more = {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": odd}]}
    assert ask(traced, stream=stream).status_code == 200
    found = spans(3)
    assert (found[2].attributes or {})["gen_ai.response.finish_reasons"] == ("other",)
    assert kinds(found) == [None, None, None]


def test_a_request_that_is_refused(traced: World) -> None:
    ask(traced, n=0)
    (request,) = spans(1)
    assert (request.attributes or {})["cowest.outcome"] == "refused"
    assert kinds([request]) == [None]


def test_a_request_that_the_server_gave_up_has_failed_without_a_status() -> None:
    begun = asyncio.Event()

    async def never(request: Any) -> str:
        begun.set()
        await asyncio.Event().wait()
        return ""

    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    recipe = recipe_of("pair", {"model": "openai/big", "base_url": "http://127.0.0.1:1/v1"})
    app = make_app(recipe, Collaboration(ScriptedModel(never), recipe.strong), tracing=Tracing(provider))

    async def ask_and_stop() -> None:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            asking = asyncio.ensure_future(client.post("/v1/chat/completions", json=question()))
            await begun.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(ask_and_stop())
    _, request = exporter.get_finished_spans()
    attributes = dict(request.attributes or {})
    assert (attributes["cowest.outcome"], attributes["error.type"]) == ("failed", "cut_off")
    assert "http.response.status_code" not in attributes


def test_without_the_key_there_is_no_span(traced: World) -> None:
    assert traced.post(question("canary-question")).status_code == 401
    assert not EXPORTER.get_finished_spans()


def test_spans_reach_a_collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[tuple[str, bytes]] = []

    async def collect(request: web.Request) -> web.Response:
        posted.append((request.path, await request.read()))
        return web.Response(content_type="application/x-protobuf")

    collector = web.Application()
    collector[BEHAVIOUR] = Behaviour()
    collector.router.add_post("/v1/traces", collect)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "our-service")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    with serving(collector) as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url.removesuffix("/v1"))
        with served(str(tmp_path / "pair"), trace=True) as world:
            world.post(question("canary-question")).raise_for_status()
            assert world.comes_to("cowest_in_flight", 0)
    assert {path for path, _ in posted} == {"/v1/traces"}
    sent = b"".join(body for _, body in posted)
    assert all(word in sent for word in (b"our-service", b"gen_ai.usage.input_tokens", b"chat big"))
    assert b"canary" not in sent


def test_off_needs_no_package_and_imports_none() -> None:
    lines = "import sys; from cowest.serving.tracing import open_tracing; open_tracing(False)\n"
    lines += "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    subprocess.run([sys.executable, "-c", lines], check=True, env=dict(os.environ))


def test_on_without_the_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "PACKAGES", ("no_such_package.sdk",))
    with pytest.raises(InputError, match=r"cowest\[otel\]"):
        tracing.open_tracing(True)
