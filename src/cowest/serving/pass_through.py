"""An OpenAI-compatible endpoint to which requests are passed through, and what is checked of its replies."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import TYPE_CHECKING

from cowest.errors import BrokenReplyError, CompletionError, CowestError, TransientEndpointError
from cowest.models.providers.openai import OpenAIModel
from cowest.serving import large_json
from cowest.serving.addresses import without_addresses
from cowest.serving.fields import LIMITS
from cowest.serving.secrecy import Secret
from cowest.serving.wire import APIError, Json, UpstreamError
from cowest.types import ChatRequest, Sampling

if TYPE_CHECKING:
    from openai import APIStatusError

_LOG = logging.getLogger(__name__)

_REQUEST_STATUSES = {400, 413, 415, 422}
"""Statuses by which an endpoint says that the request is at fault, not who sent it or the endpoint itself."""


_MAX_NAME = 100


class PassThrough:
    """An OpenAI-compatible endpoint, which gets a request's fields as they are.

    Address, key, connections, options and limits are the recipe's; no redirect is followed. Nothing is retried here:
    retries are left to the client, so that they do not multiply.

    Args:
        sampling: values for what a request leaves out.
        options: of the recipe; a request that sets one of them to something else is refused.
        timeout_s: seconds until a whole reply, or the first chunk of one.
        stall_s: seconds between two chunks.
    """

    def __init__(
        self, model: OpenAIModel, sampling: Sampling, *, options: Json, timeout_s: float, stall_s: float
    ) -> None:
        self._model = model
        self._base = model.batch_body(ChatRequest(messages=(), sampling=sampling))
        self._options = options
        self._timeout_s = timeout_s
        self._stall_s = stall_s
        # An endpoint that echoes its request must not publish the key.
        self._secret = Secret(model.account.key if model.has_key else None)

    async def open(self) -> None:
        """Makes the HTTP client, which takes a second; opens no connection."""
        await self._model.batch_client()

    async def close(self) -> None:
        """Closes the connections."""
        await self._model.close()

    def check(self, fields: Json) -> None:
        """Refuses other values for fields that the recipe's options set."""
        for name, value in self._options.items():
            if name in fields and fields[name] != value:
                raise APIError(400, f"{name} is set by this server and cannot be changed.", param=name)

    async def complete(self, messages: Sequence[Json], fields: Json) -> Json:
        """The endpoint's reply as it is, if it is whole."""
        post = await self._model.chat_post()
        with self._failures():
            async with asyncio.timeout(self._timeout_s):
                raw = await post.content(self._body(messages, fields))
            return await large_json.read(raw, lambda reply: self._secret.hide(_whole(reply)))

    async def stream(self, messages: Sequence[Json], fields: Json) -> AsyncGenerator[Json]:
        """The endpoint's chunks as they come."""
        post = await self._model.chat_post()
        body = self._body(messages, fields) | {"stream": True}
        with self._failures():
            async with asyncio.timeout(self._timeout_s):
                events = await post.events(body)
        mask = self._secret.stream()
        expected = range(fields.get("n", 1))
        open_choices, limit_s = set(expected), self._timeout_s
        async with events:
            while True:
                with self._failures():
                    try:
                        async with asyncio.timeout(limit_s):
                            data = await anext(events)
                    except StopAsyncIteration:
                        break
                chunk = _chunk(data, expected)
                open_choices -= {choice.get("index") for choice in chunk["choices"] if choice.get("finish_reason")}
                limit_s = self._stall_s
                with self._failures():
                    hidden = mask.hide(chunk)
                yield hidden
        if open_choices:
            raise UpstreamError(502, "The strong model's answer was cut off.", code="upstream_cut_off")

    def _body(self, messages: Sequence[Json], fields: Json) -> Json:
        base = self._base
        if any(name in fields for name in LIMITS):
            base = {name: value for name, value in base.items() if name not in LIMITS}
        return base | fields | {"messages": list(messages)}

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Turns what the `openai` package raises into what the client gets; without the cause, which holds the key."""
        import openai

        try:
            yield
        except BrokenReplyError:
            raise _malformed() from None
        except CompletionError:
            raise UpstreamError(502, "The strong model's answer is too large.", code="upstream_too_large") from None
        except (CowestError, StopAsyncIteration):
            raise
        except TimeoutError:
            raise UpstreamError(504, "The strong model did not answer in time.", code="upstream_timeout") from None
        except openai.APIStatusError as error:
            raise self._by_status(error) from None
        except openai.APIConnectionError:
            # The package also calls a reset connection a timeout; for a real one our own timeout fires first.
            raise UpstreamError(
                502, "The connection to the strong model failed.", code="upstream_unreachable"
            ) from None
        except openai.APIError:
            raise UpstreamError(502, "The strong model failed while it answered.", code="upstream_failed") from None
        except ValueError:
            raise _malformed() from None
        except Exception as error:
            # Whatever a broken connection makes the libraries raise, it must not look like the end of an answer.
            _LOG.error("the strong model's reply could not be read: %s", type(error).__name__)
            raise UpstreamError(502, "The strong model's answer was cut off.", code="upstream_cut_off") from None

    def _by_status(self, error: "APIStatusError") -> APIError:
        failure, status = self._model.batch_failure(error), error.status_code
        if status in _REQUEST_STATUSES:
            return APIError(
                status, self._words(_message(error)), code=self._name(error.code), param=self._name(error.param)
            )
        if status == 429 and isinstance(failure, TransientEndpointError):
            return UpstreamError(
                429,
                "The strong model's endpoint is at its limit.",
                code="upstream_rate_limited",
                retry_after_s=failure.retry_after_s or 1.0,
            )
        if not isinstance(failure, TransientEndpointError):
            # A wrong key, model or address, or no money left: the operator must see it in the log.
            _LOG.error("%s", failure)
        return UpstreamError(502, f"The strong model's endpoint failed ({status}).", code="upstream_failed")

    def _words(self, said: str) -> str:
        return without_addresses(self._model.batch_clean(said))

    def _name(self, said: object) -> str | None:
        """A code or the name of a parameter, as the endpoint gave it."""
        return None if said is None else self._words(str(said))[:_MAX_NAME]


def _whole(reply: object) -> Json:
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(reply, dict) or not isinstance(choices, list) or not choices:
        raise _malformed()
    _check_usage(reply)
    for choice in choices:
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            raise _malformed()
        if not isinstance(choice["message"].get("content"), str | None):
            raise _malformed()
        if choice.get("finish_reason") in (None, "error"):
            raise UpstreamError(502, "The strong model's answer was cut off.", code="upstream_cut_off")
    return reply


def _chunk(data: object, expected: range) -> Json:
    if not isinstance(data, dict) or not isinstance(data.get("choices"), list):
        raise _malformed()
    _check_usage(data)
    for choice in data["choices"]:
        if not isinstance(choice, dict) or choice.get("index", 0) not in expected:
            raise _malformed()
        delta = choice.get("delta")
        if not isinstance(delta, dict | None) or (delta and not isinstance(delta.get("content"), str | None)):
            raise _malformed()
        if choice.get("finish_reason") == "error":
            raise UpstreamError(502, "The strong model failed while it answered.", code="upstream_failed")
    return data


def _check_usage(reply: Json) -> None:
    usage = reply.get("usage")
    if usage is None:
        return
    counts = (
        [usage.get(f"{kind}_tokens") or 0 for kind in ("prompt", "completion")] if isinstance(usage, dict) else [-1]
    )
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        raise _malformed()


def _malformed() -> UpstreamError:
    return UpstreamError(502, "The strong model's answer is malformed.", code="upstream_malformed")


def _message(error: "APIStatusError") -> str:
    body = error.body if isinstance(error.body, dict) else {}
    return str(body.get("message") or body.get("detail") or error.message)
