"""Failures of OpenAI-compatible endpoints: the `openai` package's errors, error codes, lines of a batch's files."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cowest.errors import CompletionError, CowestError, EndpointError, TransientEndpointError
from cowest.models.providers import _remote_failures as failures

if TYPE_CHECKING:
    import openai

_OUT_OF_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "insufficient_balance"}
_WRONG_SETTING = {"unsupported_value", "unsupported_parameter"}
_NOT_PROCESSED = {"batch_expired", "batch_cancelled", "rate_limit_exceeded", "server_error", "request_timeout"}


def translate(error: Exception, where: str, *, secret: str) -> CowestError:
    """Turns an error of the `openai` package into one of ours; `secret` never stands in it."""
    import httpx2
    import openai

    if isinstance(error, openai.APIConnectionError | httpx2.HTTPError):
        return failures.no_connection(error, where, secret)
    if isinstance(error, openai.APIStatusError):
        message = failures.clean(_message(error), secret)
        codes = _codes(error.code, error.type)
        return by_code(error.status_code, codes, message, where, error.response.headers)
    return EndpointError(
        f"{where} did not answer like a chat completions endpoint ({failures.clean(str(error), secret)}). Check "
        "base_url; it usually ends in /v1."
    )


def by_code(status: int, codes: set[str], message: str, where: str, headers: Mapping[str, str]) -> CowestError:
    """The error for an HTTP status and the `code` and `type` of an error object."""
    if codes & _OUT_OF_CREDIT:
        return failures.out_of_credit(status, message, where)
    if codes & _WRONG_SETTING and status != 402:
        return EndpointError(
            f"{where} refuses a setting, and would refuse it in every request ({status}): {message} Change sampling or "
            "options. Reasoning models take no temperature but 1, the judge's too, who then needs a section of his own."
        )
    return failures.by_status(status, message, where, headers)


def of_batch_line(row: Mapping[str, Any], where: str, *, secret: str) -> CowestError:
    """The error for a line of a batch's files that holds no reply: an HTTP status with a body, or only an error."""
    response = row.get("response")
    response = response if isinstance(response, dict) else {}
    status, body, error = response.get("status_code"), response.get("body"), row.get("error")
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        error = body["error"]
    error = error if isinstance(error, dict) else {"message": error or body}
    message = failures.clean(_words(error.get("message")), secret)
    codes = _codes(error.get("code"), error.get("type"))
    if isinstance(status, int) and 400 <= status < 600:
        return by_code(status, codes, message, where, {})
    named = failures.clean(", ".join(sorted(codes)) or "no code", secret)
    if codes & _NOT_PROCESSED:
        return TransientEndpointError(f"{where} did not come to the request ({named}): {message}")
    return CompletionError(f"{where} gave the request no reply ({named}): {message}")


def _codes(*values: object) -> set[str]:
    """Those of the values that can be codes."""
    return {str(value) for value in values if isinstance(value, str | int) and not isinstance(value, bool)}


def _message(error: "openai.APIStatusError") -> str:
    """The server's words. The package shows those of OpenAI's error objects only; other servers say `detail`."""
    body = error.body if isinstance(error.body, dict) else {}
    words = _words(body.get("detail") or body.get("message") or "")
    return str(error.message) if words in error.message else f"{error.message}: {words}"


def _words(value: object) -> str:
    """What a server put where its words should be."""
    try:
        return str(value)
    except (RecursionError, ValueError):  # nested too deeply; a number of thousands of digits
        return "what cannot be shown"
