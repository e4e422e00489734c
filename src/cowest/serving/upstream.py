"""The models as the server calls them: an endpoint's requests passed through, or any other model's whole texts."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any, Protocol

from pydantic import ValidationError

from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError, CowestError, TransientEndpointError
from cowest.models import ChatModel
from cowest.models.providers.openai import OpenAIModel
from cowest.serving.secrecy import Secret
from cowest.serving.wire import APIError, Json, UpstreamError, chunks_of, reply_of
from cowest.types import ChatRequest, Message, Sampling

_LOG = logging.getLogger(__name__)

_LIMITS = ("max_tokens", "max_completion_tokens")
_OF_THE_REQUEST = {400, 413, 415, 422}
"""Statuses by which an endpoint says that the request is at fault, not who sent it or the endpoint itself."""


class Upstream(Protocol):
    """A model that answers requests in OpenAI's format."""

    async def open(self) -> None:
        """Gets ready what the first request should not wait for; calls nothing."""

    async def close(self) -> None:
        """Releases connections and memory."""

    def check(self, fields: Json) -> None:
        """Looks at a request's fields before anything is called.

        Raises:
            APIError: a field cannot be kept to.
        """

    async def complete(self, messages: Sequence[Json], fields: Json) -> Json:
        """The whole reply.

        Raises:
            UpstreamError: the model did not answer.
            APIError: it refuses this request.
        """
        ...

    def stream(self, messages: Sequence[Json], fields: Json) -> AsyncGenerator[Json]:
        """The reply chunk by chunk. It ends without an error only if every choice came to its end.

        Raises:
            UpstreamError, APIError: as `complete`, also half way.
        """
        ...


class PassThrough:
    """An OpenAI-compatible endpoint, which gets a request's fields as they are.

    Address, key, connections, options and limits are the recipe's; no redirect is followed. Nothing is tried again:
    a client that repeats its request should be the only one who does.

    Args:
        sampling: what a request leaves out.
        options: of the recipe; a request that sets one of them to something else is refused.
        timeout_s: until a whole reply, or the first chunk of one.
        stall_s: between two chunks.
    """

    def __init__(
        self, model: OpenAIModel, sampling: Sampling, *, options: Json, timeout_s: float, stall_s: float
    ) -> None:
        self._model = model
        self._base = model.batch_body(ChatRequest(messages=(), sampling=sampling))
        self._options = options
        self._timeout_s = timeout_s
        self._stall_s = stall_s
        # A server that sends back what it was sent must not make the key public.
        self._secret = Secret(model.account[1] if model.has_key else None)

    async def open(self) -> None:
        """Makes the client, which takes a second; connects to nothing yet."""
        await self._model.batch_client()

    async def close(self) -> None:
        """Closes the connections."""
        await self._model.close()

    def check(self, fields: Json) -> None:
        """Refuses another value for what the recipe's options set."""
        for name, value in self._options.items():
            if name in fields and fields[name] != value:
                raise APIError(400, f"{name} is set by this server and cannot be changed.", param=name)

    async def complete(self, messages: Sequence[Json], fields: Json) -> Json:
        """The endpoint's reply as it is, if it is whole."""
        post = await self._model.chat_post()
        with self._failures():
            async with asyncio.timeout(self._timeout_s):
                reply = await post.reply(self._body(messages, fields))
        return self._secret.hide(_whole(reply))

    async def stream(self, messages: Sequence[Json], fields: Json) -> AsyncGenerator[Json]:
        """The endpoint's chunks as they come."""
        post = await self._model.chat_post()
        body = self._body(messages, fields) | {"stream": True}
        with self._failures():
            async with asyncio.timeout(self._timeout_s):
                events = await post.events(body)
        mask = self._secret.stream()
        open_choices, limit_s = set(range(fields.get("n", 1))), self._timeout_s
        async with events:
            while True:
                with self._failures():
                    try:
                        async with asyncio.timeout(limit_s):
                            data = await anext(events)
                    except StopAsyncIteration:
                        break
                chunk = _chunk(data)
                open_choices -= {choice.get("index") for choice in chunk["choices"] if choice.get("finish_reason")}
                limit_s = self._stall_s
                yield mask.hide(chunk)
        if open_choices:
            raise UpstreamError(502, "The strong model's answer was cut off.", code="upstream_cut_off")

    def _body(self, messages: Sequence[Json], fields: Json) -> Json:
        base = self._base
        if any(name in fields for name in _LIMITS):
            base = {name: value for name, value in base.items() if name not in _LIMITS}
        return base | fields | {"messages": list(messages)}

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """What the `openai` package raises, as a client is told it. Without the cause, which holds the key."""
        import openai

        try:
            yield
        except (CowestError, StopAsyncIteration):
            raise
        except TimeoutError:
            raise UpstreamError(504, "The strong model did not answer in time.", code="upstream_timeout") from None
        except openai.APIStatusError as error:
            raise self._by_status(error) from None
        except openai.APIConnectionError:
            # What it calls a timeout may be a connection that was reset; a real one is ours to notice first.
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

    def _by_status(self, error: Any) -> APIError:
        failure, status = self._model.batch_failure(error), error.status_code
        if status in _OF_THE_REQUEST:
            said = self._model.batch_clean(_said(error))
            return APIError(status, said, code=_text_or_none(error.code), param=_text_or_none(error.param))
        if status == 429 and isinstance(failure, TransientEndpointError):
            return UpstreamError(
                429,
                "The strong model's endpoint is at its limit.",
                code="upstream_rate_limited",
                retry_after_s=failure.retry_after_s or 1.0,
            )
        if not isinstance(failure, TransientEndpointError):
            # A wrong key, model or address, or no money left: whoever runs this server must hear of it.
            _LOG.error("%s", failure)
        return UpstreamError(502, f"The strong model's endpoint failed ({status}).", code="upstream_failed")


class WholeText:
    """Any ChatModel: in process, behind another provider's interface, or with redaction. A stream is one piece.

    Args:
        sampling: what a request leaves out.
        timeout_s: until its reply.
    """

    def __init__(self, model: ChatModel, sampling: Sampling, *, timeout_s: float) -> None:
        self._model = model
        self._sampling = sampling
        self._timeout_s = timeout_s

    async def open(self) -> None:
        """Nothing: weights are loaded before the server starts."""

    async def close(self) -> None:
        """Closes the model."""
        await self._model.close()

    def check(self, fields: Json) -> None:
        """Refuses what such a model cannot keep to; what has no influence on the text may be there."""
        self._sampling_of(fields)
        for name, value in fields.items():
            if name not in _READ | WITHOUT_INFLUENCE and (name not in NEUTRAL or value not in NEUTRAL[name]):
                raise APIError(400, f"The model behind this server does not take {name}.", param=name)

    async def complete(self, messages: Sequence[Json], fields: Json) -> Json:
        """`n` completions as one reply."""
        self.check(fields)
        turns, sampling = tuple(_message(message) for message in messages), self._sampling_of(fields)
        count = fields.get("n", 1)
        requests = [ChatRequest(messages=turns, sampling=sampling, sample_index=index) for index in range(count)]
        try:
            async with asyncio.timeout(self._timeout_s):
                return reply_of(await map_in_flight(self._model.complete, requests, count))
        except TimeoutError:
            raise UpstreamError(504, "The model did not answer in time.", code="upstream_timeout") from None
        except CompletionError as error:
            raise APIError(422, f"The model gave no usable answer: {error}", code="no_answer") from error
        except CowestError as error:
            _LOG.error("%s: %s", self._model.name, type(error).__name__)
            raise UpstreamError(502, "The model failed.", code="upstream_failed") from error

    async def stream(self, messages: Sequence[Json], fields: Json) -> AsyncGenerator[Json]:
        """The finished reply in chunks."""
        for chunk in chunks_of(await self.complete(messages, fields)):
            yield chunk

    def _sampling_of(self, fields: Json) -> Sampling:
        changes: Json = {name: fields[name] for name in ("temperature", "top_p") if name in fields}
        if (limit := fields.get("max_completion_tokens", fields.get("max_tokens"))) is not None:
            changes["max_tokens"] = limit
        if (stop := fields.get("stop")) is not None:
            changes["stop"] = (stop,) if isinstance(stop, str) else stop
        try:
            return Sampling(**self._sampling.model_dump() | changes)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            raise APIError(400, f"{name}: {first['msg']}.", param=name) from error


_READ = {"temperature", "top_p", "stop", "n", "stream_options", *_LIMITS}
WITHOUT_INFLUENCE = {"user", "seed", "metadata", "store", "safety_identifier", "prompt_cache_key", "service_tier"}
"""A reply is a function of the request already, so a seed adds nothing."""
NEUTRAL: dict[str, list[Any]] = {
    "frequency_penalty": [0],
    "presence_penalty": [0],
    "logit_bias": [{}],
    "logprobs": [False],
    "response_format": [{"type": "text"}],
    "tool_choice": ["none"],
    "tools": [[]],
}
"""Values that ask for nothing, which some clients always send."""


def _message(message: Json) -> Message:
    content, role = message.get("content"), message["role"]
    if isinstance(content, list):
        is_text = all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content)
        content = "\n".join(part["text"] for part in content) if is_text else None
    if role not in ("system", "developer", "user", "assistant") or not isinstance(content, str):
        raise APIError(400, "The model behind this server reads texts only: no tools, no images.", param="messages")
    return Message(role="system" if role == "developer" else role, content=content)


def _whole(reply: object) -> Json:
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(reply, dict) or not isinstance(choices, list) or not choices:
        raise _malformed()
    _check_usage(reply)
    for choice in choices:
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            raise _malformed()
        if choice.get("finish_reason") in (None, "error"):
            raise UpstreamError(502, "The strong model's answer was cut off.", code="upstream_cut_off")
    return reply


def _chunk(data: object) -> Json:
    if not isinstance(data, dict) or not isinstance(data.get("choices"), list):
        raise _malformed()
    _check_usage(data)
    for choice in data["choices"]:
        if not isinstance(choice, dict):
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


def _said(error: Any) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    return str(body.get("message") or body.get("detail") or error.message)


def _text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)
