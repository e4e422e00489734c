"""Reading a chat completion's JSON: the one choice in it, its text and its tokens."""

import re
from typing import Annotated, NamedTuple

from pydantic import Field, Strict, TypeAdapter

from cowest.errors import BrokenReplyError, CompletionError, TransientEndpointError
from cowest.models.providers import _remote_failures as failures
from cowest.models.providers._reply_format import (
    Count,
    Dollars,
    Format,
    Reason,
    Text,
    read,
    unrecognized,
    valid,
)
from cowest.types import Usage

_FAILED = re.compile(r"[45][0-9]{2}")


class _Message(Format):
    content: Text | None = None
    refusal: object = None


class _Choice(Format):
    message: _Message | None = None
    finish_reason: Reason | None = None
    logprobs: object = None


class _Reply(Format):
    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: object = None
    model: object = None


class _Token(Format):
    token: Text
    # Rounding takes it a little above 0.
    logprob: Annotated[float, Strict(), Field(le=0.001, allow_inf_nan=False)]


class _Logprobs(Format):
    content: list[_Token]


class _Details(Format):
    cached_tokens: Count = 0


class _Counts(Format):
    prompt_tokens: Count
    completion_tokens: Count


class _Charged(Format):
    cost: Dollars


_LOGPROBS = TypeAdapter(_Logprobs)
_DETAILS = TypeAdapter(_Details)
_COUNTS = TypeAdapter(_Counts)
_CHARGED = TypeAdapter(_Charged)


class Counted(NamedTuple):
    """What the endpoint says that a call used: tokens, those of them from a cache, and USD where it says so."""

    usage: Usage
    num_cached_tokens: int
    charged_usd: float | None


class ChatReply(NamedTuple):
    """A usable reply.

    Attributes:
        tokens: text and log-probability of each; none where the endpoint gave none, or gave what cannot be read.
        counted: None where the endpoint counted nothing, or sent counts that cannot be.
        model: what the endpoint says answered; empty where it does not.
    """

    text: str
    finish_reason: str
    tokens: tuple[tuple[str, float], ...]
    counted: Counted | None
    model: str


def read_reply(reply: object, where: str, *, secret: str) -> ChatReply:
    """The one choice of a reply.

    Raises:
        BrokenReplyError: it is not in the format, has no finish reason, or is empty although the model had finished.
        CompletionError: it has no text for another reason: not something to score or to keep.
        TransientEndpointError, EndpointError: it holds an error instead, which some gateways send with status 200.
    """
    if not isinstance(reply, dict) or "choices" not in reply:
        _raise_error_in(reply, where, secret)
        raise unrecognized(
            reply, where, "a chat completions endpoint", secret, " Check base_url; it usually ends in /v1."
        )
    whole = read(_Reply, reply, where)
    choice = whole.choices[0]
    text = (choice.message and choice.message.content) or ""
    finish_reason = _usable_reason(choice, text, where, secret)
    logprobs = valid(_LOGPROBS, choice.logprobs)
    return ChatReply(
        text=text,
        finish_reason=finish_reason,
        tokens=tuple((token.token, token.logprob) for token in logprobs.content) if logprobs else (),
        counted=counted(whole.usage),
        model=whole.model if isinstance(whole.model, str) else "",
    )


def counted(usage: object) -> Counted | None:
    """What the field `usage` of a reply says; None where it says nothing that can be."""
    counts = valid(_COUNTS, usage)
    if counts is None or not isinstance(usage, dict):
        return None
    details, charged = (
        valid(_DETAILS, usage.get("prompt_tokens_details")),
        valid(_CHARGED, usage if "cost" in usage else None),
    )
    return Counted(
        Usage(prompt_tokens=counts.prompt_tokens, completion_tokens=counts.completion_tokens),
        min(details.cached_tokens, counts.prompt_tokens) if details else 0,
        charged.cost if charged else None,
    )


def _usable_reason(choice: _Choice, text: str, where: str, secret: str) -> str:
    reason = choice.finish_reason
    if reason is None:
        raise BrokenReplyError(
            f"{where} sent a reply without a finish reason: it may be cut off, and is not used.", may_be_billed=True
        )
    if reason == "error":
        # A gateway whose upstream failed half way; what it wrote until then is no reply.
        raise TransientEndpointError(
            f"{where} failed while it wrote the reply (finish reason 'error').", may_be_billed=True
        )
    if reason == "content_filter":
        raise CompletionError(f"{where} filtered the reply (content_filter).")
    if text.strip():
        return reason
    refusal = choice.message and choice.message.refusal
    if isinstance(refusal, str) and refusal:
        raise CompletionError(f"{where} refused: {failures.clean(refusal, secret)}")
    raise failures.empty_reply(where, failures.clean(reason, secret), is_cut=reason == "length")


def _raise_error_in(reply: object, where: str, secret: str) -> None:
    error = reply.get("error") if isinstance(reply, dict) else None
    if isinstance(error, dict) and isinstance(status := error.get("code"), int | str):
        if isinstance(status, str):
            status = int(status) if _FAILED.fullmatch(status) else 0
        if 400 <= status < 600:
            words = error.get("message")
            said = failures.clean(words, secret) if isinstance(words, str) else ""
            raise failures.by_status(status, said, where, {})
