"""Reading a chat completion's JSON: the one choice in it, its text and its tokens."""

from typing import Any

from cowest.errors import BrokenReplyError, CompletionError, EndpointError, TransientEndpointError
from cowest.models.base import Json
from cowest.models.providers import _remote_failures as failures
from cowest.types import Usage


def field(value: object, name: str) -> Any:
    """A field of a JSON object; None where it is absent, or where `value` is no object."""
    return value.get(name) if isinstance(value, dict) else None


def usable_choice(reply: object, where: str, *, secret: str) -> Json:
    """The one choice of a reply.

    Raises:
        BrokenReplyError: it has no finish reason.
        CompletionError: it has no text, or was filtered: not something to score or to keep.
        TransientEndpointError, EndpointError: it holds an error instead, which some gateways send with status 200.
    """
    choices = field(reply, "choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        error = field(reply, "error")
        if isinstance(error, dict) and str(error.get("code", "")).isdigit():
            words = failures.clean(str(error.get("message", error)), secret)
            raise failures.by_status(int(error["code"]), words, where, {})
        raise EndpointError(
            f"{where} did not answer like a chat completions endpoint; it sent "
            f"{failures.clean(repr(reply)[:200], secret)}. Check base_url; it usually ends in /v1."
        )
    choice: Json = choices[0]
    finish_reason = choice.get("finish_reason")
    if finish_reason is None:
        raise BrokenReplyError(
            f"{where} sent a reply without a finish reason: it may be cut off, and is not used.", may_be_billed=True
        )
    if finish_reason == "error":
        # A gateway whose upstream failed half way; what it wrote until then is no reply.
        raise TransientEndpointError(
            f"{where} failed while it wrote the reply (finish reason 'error').", may_be_billed=True
        )
    if finish_reason == "content_filter":
        raise CompletionError(f"{where} filtered the reply (content_filter).")
    message: object = choice.get("message")
    if not (field(message, "content") or "").strip():
        if refusal := field(message, "refusal"):
            raise CompletionError(f"{where} refused: {failures.clean(refusal, secret)}")
        if finish_reason == "length":
            raise CompletionError(
                f"{where} sent no text within the token limit; a reasoning model needs a higher sampling.max_tokens."
            )
        raise CompletionError(f"{where} sent an empty reply (finish reason {finish_reason!r}).")
    return choice


def usage_of(reply: Json) -> Usage | None:
    """The tokens that the endpoint counted; None where it counted none."""
    usage = reply.get("usage")
    if not isinstance(usage, dict):
        return None
    return Usage(prompt_tokens=usage.get("prompt_tokens") or 0, completion_tokens=usage.get("completion_tokens") or 0)
