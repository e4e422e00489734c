"""Anthropic's Messages interface, through its own package: `anthropic/MODEL`."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Self

from pydantic import TypeAdapter

from cowest.errors import CowestError, EndpointError, InputError
from cowest.models.base import Json
from cowest.models.config import ModelConfig
from cowest.models.providers import _remote_failures as failures
from cowest.models.providers._remote import RemoteModel, needs_package
from cowest.models.providers._reply_format import Count, Format, Reason, Text, parse, read, unrecognized, valid
from cowest.types import ChatRequest, Completion, Usage

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_MAX_TOKENS = 4096
"""Of a recipe without a limit, since the interface requires one. Every model of it allows this many."""

_FINISHED = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}
_SAMPLING_FIELDS = {"max_tokens", "temperature", "top_p", "stop_sequences"}


class _Block(Format):
    type: Text
    text: Text | None = None


class _Reply(Format):
    content: list[_Block]
    stop_reason: Reason | None = None
    usage: object = None


class _Counts(Format):
    input_tokens: Count
    output_tokens: Count
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None


_COUNTS = TypeAdapter(_Counts)


class AnthropicModel(RemoteModel["AsyncAnthropic"]):
    """Messages, one request for one completion.

    `options` of the recipe are further fields of the request, e.g. `{thinking: {type: enabled, budget_tokens: 2048}}`.
    """

    default_url = "https://api.anthropic.com"
    default_key_env = "ANTHROPIC_API_KEY"
    own_fields = frozenset({"model", "messages", "system", "stream"} | _SAMPLING_FIELDS)

    @classmethod
    def from_config(cls, config: ModelConfig, seed: int) -> Self:
        """Checks package, address, key and options; opens no connection.

        Raises:
            InputError: one of them is missing or wrong.
        """
        needs_package("anthropic", config.model, extra="anthropic")
        if config.sampling.temperature > 1:
            raise InputError(
                f"The temperature of {config.model!r} is {config.sampling.temperature:g}, and Anthropic's ends at 1. "
                "Set sampling.temperature to 1 or less."
            )
        return super().from_config(config, seed)

    async def _open(self) -> AsyncGenerator["AsyncAnthropic"]:
        from anthropic import AsyncAnthropic

        http = self._http()
        client = AsyncAnthropic(
            api_key=self._key,
            base_url=self._base_url,
            max_retries=0,
            timeout=self._config.timeout_s,
            http_client=http,
        )
        try:
            yield client
        finally:
            await client.close()

    async def _send(self, client: "AsyncAnthropic", request: ChatRequest) -> Any:
        response = await client.messages.with_raw_response.create(**self._body(request))
        return parse(response.http_response.content)

    def _body(self, request: ChatRequest) -> Json:
        sampling = request.sampling
        # The package names neither temperature nor top_p any more; the interface takes them for models that have them.
        extra: Json = dict(self._config.options)
        if sampling.temperature != 1:  # the interface's default, and models that think take no other
            extra["temperature"] = sampling.temperature
        if sampling.top_p is not None:
            extra["top_p"] = sampling.top_p
        body: Json = {
            "model": self._config.model_name,
            "messages": [message.model_dump() for message in request.messages if message.role != "system"],
            "max_tokens": sampling.max_tokens or _MAX_TOKENS,
            "extra_body": extra or None,
        }
        if system := "\n\n".join(message.content for message in request.messages if message.role == "system"):
            body["system"] = system
        if sampling.stop:
            body["stop_sequences"] = list(sampling.stop)
        return body

    def _completion(self, reply: object, latency_s: float) -> Completion:
        if not isinstance(reply, dict) or "content" not in reply:
            raise unrecognized(reply, self._where, "Anthropic's endpoint", self._key)
        whole = read(_Reply, reply, self._where)
        counts = valid(_COUNTS, whole.usage)
        return self._finished(
            "".join(block.text or "" for block in whole.content if block.type == "text"),
            whole.stop_reason,
            _FINISHED,
            usage=_usage(counts),
            latency_s=latency_s,
            cost_usd=self._cost_usd(counts),
        )

    def _cost_usd(self, counts: _Counts | None) -> float | None:
        if counts is None:
            return None
        return self._config.cost_usd(
            _usage(counts),
            num_cached_tokens=counts.cache_read_input_tokens or 0,
            num_cache_written_tokens=counts.cache_creation_input_tokens or 0,
        )

    def _package_errors(self) -> tuple[type[Exception], ...]:
        import anthropic

        return (anthropic.AnthropicError,)

    def _failure(self, error: Exception) -> CowestError:
        import anthropic

        if isinstance(error, anthropic.APIConnectionError):
            return failures.no_connection(error, self._where, self._key)
        if isinstance(error, anthropic.APIStatusError):
            message = failures.clean(error.message, self._key)
            if "credit balance is too low" in message:  # comes as an ordinary bad request
                return failures.out_of_credit(error.status_code, message, self._where)
            return failures.by_status(error.status_code, message, self._where, error.response.headers)
        return EndpointError(f"{self._where} cannot be used ({failures.clean(str(error), self._key)}).")


def _usage(counts: _Counts | None) -> Usage:
    """Tokens; the interface counts those of the cache apart from the prompt's others."""
    if counts is None:
        return Usage()
    cached = (counts.cache_read_input_tokens or 0) + (counts.cache_creation_input_tokens or 0)
    return Usage(prompt_tokens=counts.input_tokens + cached, completion_tokens=counts.output_tokens)


PLUGIN = AnthropicModel
