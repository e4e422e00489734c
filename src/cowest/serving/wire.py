"""OpenAI's wire format: errors, whole replies, chunks of a stream, and usage."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cowest.errors import CowestError
from cowest.types import Completion, Usage

Json = dict[str, Any]

DONE = b"data: [DONE]\n\n"

FINISH_REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}
"""OpenAI's. Other values come from an endpoint and may be anything, its key included."""

_KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class APIError(CowestError):
    """The error that a client gets.

    Attributes:
        status: HTTP status.
        code, param: as in OpenAI's error objects.
        retry_after_s: seconds that the client shall wait.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> Json:
        """The error object as JSON."""
        kind = _KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


class UpstreamError(APIError):
    """A model did not answer, and the request is not at fault."""


def encode(data: Json) -> bytes:
    """JSON in ASCII, since a model may write half a surrogate pair, which UTF-8 cannot encode."""
    return json.dumps(data, separators=(",", ":")).encode("ascii")


def event(data: Json) -> bytes:
    """One server-sent event."""
    return b"data: " + encode(data) + b"\n\n"


def known_reason(reason: object) -> str | None:
    """A finish reason that may be shown: one of OpenAI's, or "other"; None where there is none."""
    return None if reason is None else reason if isinstance(reason, str) and reason in FINISH_REASONS else "other"


def reply_of(completions: Sequence[Completion]) -> Json:
    """A whole reply whose choices are these completions; `Answering` adds id, model and time."""
    usage = Usage(
        # Choices of one request share its prompt.
        prompt_tokens=completions[0].usage.prompt_tokens,
        completion_tokens=sum(completion.usage.completion_tokens for completion in completions),
    )
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": completion.text},
            "logprobs": None,
            "finish_reason": known_reason(completion.finish_reason),
        }
        for index, completion in enumerate(completions)
    ]
    return {"object": "chat.completion", "choices": choices, "usage": usage_json(usage)}


def chunks_of(reply: Json) -> Iterator[Json]:
    """A whole reply as the chunks of a stream: for each choice its text, then its finish reason; last the usage."""
    for choice in reply["choices"]:
        yield _chunk(choice["index"], choice["message"], None)
        yield _chunk(choice["index"], {}, choice["finish_reason"])
    yield {"object": "chat.completion.chunk", "choices": [], "usage": reply["usage"]}


def _chunk(index: int, delta: Json, finish_reason: str | None) -> Json:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {"object": "chat.completion.chunk", "choices": [choice]}


def usage_json(usage: Usage) -> Json:
    """Usage as OpenAI reports it."""
    return {**usage.model_dump(), "total_tokens": usage.prompt_tokens + usage.completion_tokens}


def joint_usage(parts: Mapping[str, Json | None]) -> Json:
    """The usage of several models by role: their sums, with the parts under `cowest`; None where one gave no count.

    Details of the strong model's usage (cached tokens, reasoning tokens) are kept.
    """
    sums = {
        name: sum((part or {}).get(name) or 0 for part in parts.values())
        for name in ("prompt_tokens", "completion_tokens")
    }
    total = {"total_tokens": sums["prompt_tokens"] + sums["completion_tokens"]}
    return {**(parts.get("strong") or {}), **sums, **total, "cowest": dict(parts)}
