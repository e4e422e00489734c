"""Draft and refinement for a client, or one model's answer when the other model fails."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from cowest.collaboration import Collaboration
from cowest.errors import CowestError
from cowest.gating import Arm
from cowest.serving.conversation import Call, Conversation
from cowest.serving.gate import Gate
from cowest.serving.metrics import Metrics
from cowest.serving.upstream import Upstream
from cowest.serving.wire import Json, UpstreamError, chunks_of, joint_usage, known_reason, reply_of, usage_json
from cowest.serving_config import ServeConfig
from cowest.types import Completion

_LOG = logging.getLogger(__name__)

_MAX_CHARACTERS = 16 * 2**20
"""Of one streamed text."""


@dataclass
class Draft:
    """The weak model's draft.

    Attributes:
        completion: None where the weak model failed or was too slow.
        failure: why there is none: "deadline", "failed" or "crashed".
        latency_s: seconds that were waited for it.
    """

    completion: Completion | None = None
    failure: str | None = None
    latency_s: float = 0.0


@dataclass
class Reply:
    """An answer for a client: whole, or a stream whose first chunk has arrived.

    Attributes:
        id: of the answer.
        whole: the answer's JSON; None for a stream.
        chunks: the stream; whoever reads it closes it.
        draft: the weak model's draft; None where it was not asked for one.
        arm: who answers, as the gate decided; None without a gate, or without a draft to decide by.
        missing: the model that failed, where the other one answers: "weak" or "strong".
        answer_s: seconds from the draft to the whole answer, or to its first chunk.
        text: the text of the first choice; complete when a stream has ended.
        usage: tokens by model; None where the model gave no counts.
    """

    id: str
    whole: Json | None = None
    chunks: AsyncGenerator[Json] | None = None
    draft: Draft | None = None
    arm: Arm | None = None
    missing: str | None = None
    answer_s: float = 0.0
    text: str = ""
    usage: dict[str, Json | None] = field(default_factory=dict)


class Answering:
    """Answers calls with the pair as it was trained and measured.

    Under the run's name a call is answered by both models, as `collaborate` is measured; under NAME:weak and
    NAME:strong by one of them with the template of `weak_only` and `strong_only`. The weak model's sampling is the
    recipe's; a call's fields go to the model that answers.

    Args:
        collaboration: templates, sampling and the weak model.
        weak, strong: the models as they answer a client.
        gate: decides by the draft who answers; without one both models always do.
    """

    def __init__(
        self,
        collaboration: Collaboration,
        weak: Upstream,
        strong: Upstream,
        config: ServeConfig,
        metrics: Metrics,
        gate: Gate | None = None,
    ) -> None:
        self._collaboration = collaboration
        self._weak = weak
        self._strong = strong
        self._config = config
        self._metrics = metrics
        self._gate = gate

    async def answer(self, call: Call, id: str) -> Reply:
        """Answers a call; of a stream, returns when its first chunk has come.

        Raises:
            APIError: the call is refused, or the model it needs failed.
        """
        conversation, pair = call.conversation, self._collaboration
        upstream = self._weak if call.part == "weak" else self._strong
        upstream.check(call.fields)
        reply = Reply(id)
        if call.part == "weak":
            turns = conversation.for_weak(pair.draft_request(conversation.query).messages)
            messages = [turn.model_dump() for turn in turns]
        elif call.part == "strong":
            messages = conversation.for_strong(pair.solo_request(conversation.query).messages)
        else:
            reply.draft = await self._draft(conversation)
            messages = self._refine(call, reply)
            if reply.arm == "draft" and reply.draft.completion is not None:
                self._answer_with(reply.draft.completion, call, reply)
                return reply
        started = time.perf_counter()
        try:
            await self._ask(upstream, messages, call, reply)
        except UpstreamError as error:
            if self._config.on_strong_failure == "error" or reply.draft is None or reply.draft.completion is None:
                raise
            self._fall_back(reply.draft.completion, call, reply, error)
        reply.answer_s = time.perf_counter() - started
        return reply

    async def _draft(self, conversation: Conversation) -> Draft:
        request = self._collaboration.draft_request(conversation.query)
        request = request.model_copy(update={"messages": conversation.for_weak(request.messages)})
        started = time.perf_counter()
        completion, failure = None, None
        try:
            async with asyncio.timeout(self._config.draft_deadline_s):
                completion = await self._collaboration.weak.complete(request)
        except TimeoutError:
            failure = "deadline"
        except Exception as error:  # e.g. out of GPU memory, which is no CowestError; the strong model can still answer
            failure = "failed" if isinstance(error, CowestError) else "crashed"
            _LOG.error("no draft: %s", type(error).__name__)
        latency_s = time.perf_counter() - started
        self._metrics.drafts.observe(latency_s)
        return Draft(completion, failure, latency_s)

    def _refine(self, call: Call, reply: Reply) -> list[Json]:
        """The strong model's messages: query and draft, or the query alone where no draft is used."""
        draft, pair, conversation = reply.draft, self._collaboration, call.conversation
        if draft is None or draft.completion is None:
            reply.missing = "weak"
            self._metrics.degraded.labels("weak", draft.failure if draft else "").inc()
            return conversation.for_strong(pair.solo_request(conversation.query).messages)
        self._count_tokens("weak", usage_json(draft.completion.usage), reply)
        if self._gate is not None:
            reply.arm = self._gate.arm(call, draft.completion)
            self._metrics.gate.labels(reply.arm).inc()
        if reply.arm == "strong":
            return conversation.for_strong(pair.solo_request(conversation.query).messages)
        return conversation.for_strong(pair.refine_request(conversation.query, draft.completion.text).messages)

    async def _ask(self, upstream: Upstream, messages: list[Json], call: Call, reply: Reply) -> None:
        if not call.stream:
            self._finish(await upstream.complete(messages, call.fields), call, reply)
            return
        chunks = upstream.stream(messages, call.fields)
        try:
            first = await anext(chunks)
        except StopAsyncIteration:
            raise UpstreamError(502, "The model sent nothing.", code="upstream_cut_off") from None
        except BaseException:
            await chunks.aclose()
            raise
        reply.chunks = self._relay(first, chunks, call, reply)

    def _fall_back(self, draft: Completion, call: Call, reply: Reply, error: UpstreamError) -> None:
        reply.missing = "strong"
        self._metrics.degraded.labels("strong", error.code or "failed").inc()
        self._answer_with(draft, call, reply)

    def _answer_with(self, draft: Completion, call: Call, reply: Reply) -> None:
        """Answers with the unchanged draft."""
        # Its tokens are counted already, and no other model generated any.
        whole = reply_of([draft]) | {"usage": None}
        if call.stream:
            first, *rest = chunks_of(whole)
            reply.chunks = self._relay(first, _each(rest), call, reply)
        else:
            self._finish(whole, call, reply)

    def _finish(self, whole: Json, call: Call, reply: Reply) -> None:
        self._count(whole.get("usage"), call, reply)
        reply.whole = whole | self._names(call, reply) | {"usage": joint_usage(reply.usage)}
        reply.whole |= self._shown(call, reply)
        reply.text = whole["choices"][0]["message"].get("content") or ""

    async def _relay(self, first: Json, rest: AsyncGenerator[Json], call: Call, reply: Reply) -> AsyncGenerator[Json]:
        """The chunks with this server's ids; usage comes at the end, and only if the client asked for it."""
        names, shown = self._names(call, reply), self._shown(call, reply)
        usage, texts, num_characters = None, [], 0
        try:
            chunk: Json | None = first
            while chunk is not None:
                usage = chunk.get("usage") or usage
                if chunk["choices"] or "usage" not in chunk:
                    new = [_text(choice) for choice in chunk["choices"] if choice.get("index") == 0]
                    num_characters += sum(map(len, new))
                    texts += new
                    if num_characters > _MAX_CHARACTERS:
                        raise UpstreamError(502, "The model's answer has no end.", code="upstream_too_large")
                    yield {name: value for name, value in chunk.items() if name != "usage"} | names | shown
                    shown = {}
                chunk = await anext(rest, None)
        finally:
            await rest.aclose()
            reply.text = "".join(texts)
            self._count(usage, call, reply)
        if call.include_usage:
            yield {"object": "chat.completion.chunk", **names, "choices": [], "usage": joint_usage(reply.usage)}

    def _names(self, call: Call, reply: Reply) -> Json:
        return {"id": reply.id, "model": call.model, "created": int(time.time())}

    def _shown(self, call: Call, reply: Reply) -> Json:
        """The draft, if the client asked for it."""
        if not call.wants_draft or reply.draft is None:
            return {}
        completion = reply.draft.completion
        if completion is None:
            return {"cowest": {"draft": None}}
        return {"cowest": {"draft": completion.text, "finish_reason": known_reason(completion.finish_reason)}}

    def _count(self, usage: Json | None, call: Call, reply: Reply) -> None:
        """Counts the tokens of the model that answered; those of a draft are counted already."""
        if reply.missing != "strong" and reply.arm != "draft":
            self._count_tokens("weak" if call.part == "weak" else "strong", usage, reply)

    def _count_tokens(self, role: str, usage: Json | None, reply: Reply) -> None:
        reply.usage[role] = usage
        for kind in ("prompt", "completion"):
            self._metrics.tokens.labels(role, kind).inc((usage or {}).get(f"{kind}_tokens") or 0)


def _text(choice: Json) -> str:
    delta = choice.get("delta")
    return (delta.get("content") if isinstance(delta, dict) else None) or ""


async def _each(chunks: list[Json]) -> AsyncGenerator[Json]:
    for chunk in chunks:
        yield chunk
