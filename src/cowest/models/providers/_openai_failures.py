"""What went wrong with a call, in this package's terms: for good, for now, or for this one request."""

import email.utils
import socket
import time
from collections.abc import Mapping
from typing import Any

from cowest.errors import (
    BrokenReplyError,
    CompletionError,
    CowestError,
    EndpointError,
    RateLimitError,
    TransientEndpointError,
)
from cowest.models.limits import duration_s

_PASSING = {408, 409, 425}
_NO_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "insufficient_balance"}
_WRONG_SETTING = {"unsupported_value", "unsupported_parameter"}
_PASSING_IN_A_LINE = {"batch_expired", "batch_cancelled", "rate_limit_exceeded", "server_error", "request_timeout"}
_MAX_MESSAGE = 600


def translate(error: Any, where: str, *, secret: str) -> CowestError:
    """Turns an error of the `openai` package into one of ours; `secret` never stands in it."""
    import openai

    if isinstance(error, openai.APIConnectionError):
        return no_connection(error, where, secret)
    if isinstance(error, openai.APIStatusError):
        said = clean(_said(error), secret)
        kinds = {str(error.code), str(error.type)}
        return by_status(error.status_code, said, where, kinds, error.response.headers)
    return EndpointError(
        f"{where} did not answer like a chat completions endpoint ({clean(str(error), secret)}). Check base_url; it "
        "usually ends in /v1."
    )


def _said(error: Any) -> str:
    """The server's words. The package shows those of OpenAI's error objects only; other servers say `detail`."""
    body = error.body if isinstance(error.body, dict) else {}
    words = body.get("detail") or body.get("message") or ""
    return str(error.message) if str(words) in error.message else f"{error.message}: {words}"


def by_status(status: int, said: str, where: str, kinds: set[str], headers: Mapping[str, str]) -> CowestError:
    """The error for an HTTP status."""
    if status == 402 or kinds & _NO_MONEY:
        return EndpointError(f"{where} says that the account's quota or balance is used up ({status}): {said}")
    if kinds & _WRONG_SETTING:
        return EndpointError(
            f"{where} refuses a setting, and would refuse it in every request ({status}): {said} Change sampling or "
            "options. Reasoning models take no temperature but 1, the judge's too, who then needs a section of his own."
        )
    if status in _PASSING or status == 429 or status >= 500:
        return _passing(status, said, where, retry_after_s(headers))
    advice = {
        401: "Check the key in the variable that api_key_env names.",
        403: "Check that the key may use this model.",
        404: "Check the model's name and base_url; that of an OpenAI-compatible endpoint usually ends in /v1.",
    }
    if status in advice:
        return EndpointError(f"{where} refused ({status}): {said} {advice[status]}")
    if status < 400:
        return EndpointError(
            f"{where} redirects ({status}), which is not followed. Give the final address as base_url."
        )
    return CompletionError(f"{where} refused the request ({status}): {said}")


def in_a_line(row: Mapping[str, Any], where: str, *, secret: str) -> CowestError:
    """The error for a line of a batch's files that holds no reply: an HTTP status with a body, or only an error."""
    response = row.get("response")
    response = response if isinstance(response, dict) else {}
    status, body, error = response.get("status_code"), response.get("body"), row.get("error")
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        error = body["error"]
    error = error if isinstance(error, dict) else {"message": error or body}
    said = clean(str(error.get("message")), secret)
    kinds = {str(error.get("code")), str(error.get("type"))}
    if isinstance(status, int) and status >= 400:
        return by_status(status, said, where, kinds, {})
    if kinds & _PASSING_IN_A_LINE:
        return TransientEndpointError(f"{where} did not come to the request ({', '.join(sorted(kinds))}): {said}")
    return CompletionError(f"{where} gave the request no reply ({', '.join(sorted(kinds))}): {said}")


def _passing(status: int, said: str, where: str, retry_after_s: float | None) -> TransientEndpointError:
    if status == 429:
        return RateLimitError(f"{where} refused because of a rate limit (429): {said}", retry_after_s)
    return TransientEndpointError(f"{where} is not able to answer now ({status}): {said}", retry_after_s)


def timed_out(where: str, timeout_s: float) -> CowestError:
    """The error for a request that took longer than it may."""
    return TransientEndpointError(f"{where} did not answer within {timeout_s:g} s (timeout_s).", may_be_billed=True)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds the endpoint asks to wait: retry-after-ms, Retry-After (seconds or a date), or a limit's own reset."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        value = headers.get("retry-after", "")
        if value.strip().replace(".", "", 1).isdigit():
            return float(value)
        if value:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
    resets = [
        duration_s(headers.get(f"x-ratelimit-reset-{what}", ""))
        for what in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{what}") == "0"
    ]
    return max((reset_s for reset_s in resets if reset_s is not None), default=None)


def usable_choice(reply: Any, where: str, *, secret: str) -> Any:
    """The one choice of a reply.

    Raises:
        BrokenReplyError: it has no finish reason.
        CompletionError: it has no text, or was filtered: not something to score or to keep.
        TransientEndpointError, EndpointError: it is an error in the clothes of a reply, as some gateways send.
    """
    choices = getattr(reply, "choices", None)
    if not choices:
        error = getattr(reply, "error", None)
        if isinstance(error, dict) and str(error.get("code", "")).isdigit():
            raise by_status(int(error["code"]), clean(str(error.get("message", error)), secret), where, set(), {})
        raise EndpointError(
            f"{where} did not answer like a chat completions endpoint; it sent {clean(repr(reply)[:200], secret)}. "
            "Check base_url; it usually ends in /v1."
        )
    choice = choices[0]
    if choice.finish_reason is None:
        raise BrokenReplyError(
            f"{where} sent a reply without a finish reason: it may be cut off, and is not used.", may_be_billed=True
        )
    if choice.finish_reason == "error":
        # A gateway whose upstream failed half way; what it wrote until then is no reply.
        raise TransientEndpointError(
            f"{where} failed while it wrote the reply (finish reason 'error').", may_be_billed=True
        )
    if choice.finish_reason == "content_filter":
        raise CompletionError(f"{where} filtered the reply (content_filter).")
    if not (choice.message.content or "").strip():
        raise CompletionError(_why_empty(choice, where, secret))
    return choice


def _why_empty(choice: Any, where: str, secret: str) -> str:
    if refusal := getattr(choice.message, "refusal", None):
        return f"{where} refused: {clean(refusal, secret)}"
    if choice.finish_reason == "length":
        return f"{where} sent no text within the token limit; a reasoning model needs a higher sampling.max_tokens."
    return f"{where} sent an empty reply (finish reason {choice.finish_reason!r})."


def no_connection(error: BaseException, where: str, secret: str) -> CowestError:
    """The error for a connection that could not be made, was lost, or timed out."""
    # The aiohttp transport calls a refused connection a timeout too; only the first cause tells them apart.
    chain = [error]
    while (deeper := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(deeper)
    # The last link may be a stray of the libraries ("no running event loop"); what the network said is an OSError.
    cause = next((each for each in reversed(chain) if isinstance(each, OSError)), chain[-1])
    if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME:
        return EndpointError(f"{where}: there is no such host. Check base_url and the network.")
    if isinstance(cause, TimeoutError):
        return TransientEndpointError(f"{where} did not answer in time.", may_be_billed=True)
    was_sent = not isinstance(cause, ConnectionRefusedError)
    said = clean(str(cause), secret)
    return TransientEndpointError(f"{where} cannot be reached ({said}).", may_be_billed=was_sent)


def clean(message: str, secret: str) -> str:
    """What a server said, without the key and not too long."""
    # Servers have been seen to send the key back in their error messages.
    if len(secret) > 4:
        message = message.replace(secret, "[key]")
    return message if len(message) <= _MAX_MESSAGE else message[:_MAX_MESSAGE] + " ..."
