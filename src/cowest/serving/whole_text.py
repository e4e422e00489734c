"""Any model of this package as an upstream: it writes whole texts, so a stream is one piece."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence

from pydantic import ValidationError

from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError, CowestError
from cowest.models import ChatModel
from cowest.serving.addresses import without_addresses
from cowest.serving.fields import LIMITS, NEUTRAL, WITHOUT_INFLUENCE
from cowest.serving.request_limits import check_size
from cowest.serving.wire import APIError, Json, UpstreamError, chunks_of, reply_of
from cowest.serving_config import ServeConfig
from cowest.types import ChatRequest, Message, Sampling

_LOG = logging.getLogger(__name__)

_READ = {"temperature", "top_p", "stop", "n", "stream_options", *LIMITS}
"""Fields that are kept to."""


class WholeText:
    """Any ChatModel: in process, behind another provider's interface, or with redaction. A stream is one piece.

    Args:
        sampling: values for what a request leaves out.
        timeout_s: seconds until its reply.
        config: the server's limits.
    """

    def __init__(self, model: ChatModel, sampling: Sampling, *, timeout_s: float, config: ServeConfig) -> None:
        self._model = model
        self._sampling = sampling
        self._timeout_s = timeout_s
        self._config = config

    async def open(self) -> None:
        """Nothing: weights are loaded before the server starts."""

    async def close(self) -> None:
        """Closes the model."""
        await self._model.close()

    def check(self, fields: Json) -> None:
        """Refuses fields that such a model cannot honour, unless they do not change the text."""
        self._sampling_of(fields)
        for name, value in fields.items():
            if name not in _READ | WITHOUT_INFLUENCE and (name not in NEUTRAL or value not in NEUTRAL[name]):
                raise APIError(400, f"The model behind this server does not take {name}.", param=name)

    async def complete(self, messages: Sequence[Json], fields: Json) -> Json:
        """`n` completions as one reply."""
        self.check(fields)
        turns, sampling = tuple(_message(message) for message in messages), self._sampling_of(fields)
        count = fields.get("n", 1)
        check_size(count * sum(len(turn.content) for turn in turns), self._config)
        requests = [ChatRequest(messages=turns, sampling=sampling, sample_index=index) for index in range(count)]
        try:
            async with asyncio.timeout(self._timeout_s):
                return reply_of(await map_in_flight(self._model.complete, requests, count))
        except TimeoutError:
            raise UpstreamError(504, "The model did not answer in time.", code="upstream_timeout") from None
        except CompletionError as error:
            message = without_addresses(f"The model gave no usable answer: {error}")
            raise APIError(422, message, code="no_answer") from error
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


def _message(message: Json) -> Message:
    content, role = message.get("content"), message["role"]
    if isinstance(content, list):
        is_text = all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content)
        content = "\n".join(part["text"] for part in content) if is_text else None
    if role not in ("system", "developer", "user", "assistant") or not isinstance(content, str):
        raise APIError(400, "The model behind this server reads texts only: no tools, no images.", param="messages")
    return Message(role="system" if role == "developer" else role, content=content)
