"""What went wrong with a call to a remote endpoint, in this package's terms: for good, for now, or for this request."""

import email.utils
import errno
import socket
import time
from collections.abc import Mapping

from cowest.characters import printable
from cowest.errors import (
    BrokenReplyError,
    CompletionError,
    CowestError,
    EndpointError,
    RateLimitError,
    TransientEndpointError,
    UnreachableError,
)
from cowest.models.limits import duration_s

_PASSING = {408, 409, 425}
# A gateway gave up waiting, or could not read what it got: behind it the work may have been done.
_MAY_BE_BILLED = {408, 502, 504, 520, 524}
_NO_WAY_THERE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN}
_MAX_MESSAGE = 600

LONGEST_CONNECTING_S = 10.0
"""Seconds until an address where nothing answers counts as unreachable; `timeout_s` is for what was sent."""


def by_status(status: int, message: str, where: str, headers: Mapping[str, str]) -> CowestError:
    """The error for an HTTP status.

    Args:
        status: the status.
        message: the server's, without the key.
        where: model and address.
        headers: of the reply, which may say how long to wait.
    """
    if status == 402:
        return out_of_credit(status, message, where)
    if status == 429:
        return RateLimitError(f"{where} refused because of a rate limit (429): {message}", retry_after_s(headers))
    if status in _PASSING or status >= 500:
        return TransientEndpointError(
            f"{where} is not able to answer now ({status}): {message}",
            retry_after_s(headers),
            may_be_billed=status in _MAY_BE_BILLED,
        )
    advice = {
        401: "Check the key in the variable that api_key_env names.",
        403: "Check that the key may use this model.",
        404: "Check the model's name and base_url; that of an OpenAI-compatible endpoint usually ends in /v1.",
    }
    if status in advice:
        return EndpointError(f"{where} refused ({status}): {message} {advice[status]}")
    if status < 400:
        return EndpointError(
            f"{where} redirects ({status}), which is not followed. Give the final address as base_url."
        )
    return CompletionError(f"{where} refused the request ({status}): {message}")


def out_of_credit(status: int, message: str, where: str) -> CowestError:
    """The error for an account whose quota or balance is used up."""
    return EndpointError(f"{where} says that the account's quota or balance is used up ({status}): {message}")


def timed_out(where: str, timeout_s: float) -> CowestError:
    """The error for a request that took longer than it may."""
    return TransientEndpointError(f"{where} did not answer within {timeout_s:g} s (timeout_s).", may_be_billed=True)


def no_connection(error: BaseException, where: str, secret: str) -> CowestError:
    """The error for a connection that could not be made, was lost, or timed out."""
    import httpx2

    # The aiohttp transport calls a refused connection a timeout too; only the first cause tells them apart.
    chain = [error]
    while (deeper := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(deeper)
    # The packages take for a lost connection whatever ends the reading of a reply.
    if (ours := next((each for each in chain if isinstance(each, CowestError)), None)) is not None:
        return ours
    # The last link may be a stray of the libraries ("no running event loop"); what the network said is an OSError.
    cause = next((each for each in reversed(chain) if isinstance(each, OSError)), chain[-1])
    if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME:
        return EndpointError(f"{where}: there is no such host. Check base_url and the network.")
    said = clean(str(cause), secret)
    if isinstance(cause, TimeoutError):
        if not any(isinstance(each, httpx2.ConnectTimeout) for each in chain):
            return TransientEndpointError(f"{where} did not answer in time.", may_be_billed=True)
        said = f"no connection within {LONGEST_CONNECTING_S:g} s"
    elif isinstance(cause, ConnectionRefusedError):
        said = f"connection refused: {said}"
    if isinstance(cause, TimeoutError | ConnectionRefusedError):
        return UnreachableError(f"{where} cannot be reached ({said}).")
    if isinstance(cause, socket.gaierror) or (isinstance(cause, OSError) and cause.errno in _NO_WAY_THERE):
        # Where the name could not be looked up, nothing was sent.
        may_be_billed = not isinstance(cause, socket.gaierror)
        return UnreachableError(f"{where} cannot be reached ({said}).", may_be_billed=may_be_billed)
    return TransientEndpointError(f"{where} cannot be reached ({said}).", may_be_billed=True)


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
    except (ValueError, OverflowError):  # the latter for a date of too large numbers
        return None
    resets = [
        duration_s(headers.get(f"x-ratelimit-reset-{unit}", ""))
        for unit in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{unit}") == "0"
    ]
    return max((reset_s for reset_s in resets if reset_s is not None), default=None)


def empty_reply(where: str, reason: str, *, is_cut: bool) -> CompletionError:
    """The error for a reply without text: one that was cut stays empty, another may come whole the next time."""
    if is_cut:
        return CompletionError(
            f"{where} sent no text within the token limit (finish reason {reason}); a model that thinks needs a higher "
            "sampling.max_tokens.",
            may_be_billed=True,
        )
    return BrokenReplyError(f"{where} sent an empty reply (finish reason {reason}).", may_be_billed=True)


def clean(message: str, secret: str) -> str:
    """What a server said, without the key and control characters, and not too long."""
    # Servers have been seen to send the key back in their error messages.
    if len(secret) > 4:
        message = message.replace(secret, "[key]")
    message = printable(message)
    return message if len(message) <= _MAX_MESSAGE else message[:_MAX_MESSAGE] + " ..."
