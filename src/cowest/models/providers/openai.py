"""OpenAI-compatible endpoints: OpenAI itself, vLLM, SGLang, `transformers serve`, Ollama, gateways."""

import asyncio
import ipaddress
import json
import os
import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from cowest import pricing
from cowest.errors import CompletionError, CowestError, InputError
from cowest.models.config import ModelConfig
from cowest.models.providers import _openai_failures
from cowest.types import ChatRequest, Completion, Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_OPENAI_URL = "https://api.openai.com/v1"
_SAMPLING_FIELDS = {"temperature", "top_p", "max_tokens", "max_completion_tokens", "stop"}
_OWN_FIELDS = {"model", "messages", "stream", "n"} | _SAMPLING_FIELDS


class OpenAIModel:
    """Chat completions over HTTP, one request for one completion; pacing and retrying are done by wrappers.

    `options` of the recipe are further fields of the request, e.g. `{reasoning_effort: low}`; with `{logprobs: true}`
    completions carry `token_logprobs`.
    """

    def __init__(self, config: ModelConfig, key: str) -> None:
        self.name = config.model
        self._base_url = (config.base_url or _OPENAI_URL).rstrip("/")
        self.identity = f"{self._base_url}|{config.model_name}|{json.dumps(config.options, sort_keys=True)}"
        self._config = config
        self._key = key
        # A connection belongs to one event loop, and the stages of a run each have their own.
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, _Client] = WeakKeyDictionary()

    @classmethod
    def from_config(cls, config: ModelConfig, seed: int) -> Self:
        """Checks address, key and options; opens no connection.

        Raises:
            InputError: one of them is missing or wrong.
        """
        if config.base_url is not None and not _is_address(config.base_url):
            raise InputError(
                f"base_url of {config.model!r} is {config.base_url!r}. Give an address such as http://127.0.0.1:8000/v1."
            )
        if clash := sorted(_OWN_FIELDS & set(config.options)):
            raise InputError(
                f"options of {config.model!r} may not set {', '.join(clash)}: use `model` and `sampling` for them."
            )
        return cls(config, _key(config))

    async def complete(self, request: ChatRequest) -> Completion:
        """Sends one request.

        Raises:
            CompletionError: the endpoint gave this request no usable reply.
            TransientEndpointError: rate limit, 5xx, timeout, lost connection.
            EndpointError: wrong key, unknown model, no money left, no such host.
        """
        import openai

        client = await self._client()
        start = time.perf_counter()
        try:
            async with asyncio.timeout(self._config.timeout_s):
                reply = await client.chat.completions.create(**self._body(request))
        except TimeoutError:
            raise _openai_failures.timed_out(self._where, self._config.timeout_s) from None
        except openai.OpenAIError as error:
            # Without its cause: the request in it holds the key.
            raise self._failure(error) from None
        except ValueError as error:
            raise CompletionError(f"{self._where} sent a reply that is not JSON ({error}).") from None
        return self._completion(reply, time.perf_counter() - start)

    async def close(self) -> None:
        """Closes the connections of this event loop; those of others close when their loops end."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.life.aclose()

    @property
    def _where(self) -> str:
        return f"{self._config.model_name} at {self._base_url}"

    def _failure(self, error: Any) -> CowestError:
        return _openai_failures.translate(error, self._where, secret=self._key)

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self._config.model_name,
            "messages": [message.model_dump() for message in request.messages],
            "temperature": sampling.temperature,
            "extra_body": dict(self._config.options) or None,
        }
        if sampling.top_p is not None:
            body["top_p"] = sampling.top_p
        if sampling.max_tokens is not None:
            # OpenAI's newer models refuse the old name, older servers do not know the new one.
            new_name = self._base_url == _OPENAI_URL
            body["max_completion_tokens" if new_name else "max_tokens"] = sampling.max_tokens
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        return body

    def _completion(self, reply: Any, latency_s: float) -> Completion:
        choice = _openai_failures.usable_choice(reply, self._where, secret=self._key)
        usage, num_cached = _usage(reply)
        tokens = getattr(choice.logprobs, "content", None)
        return Completion(
            text=choice.message.content,
            finish_reason=choice.finish_reason,
            usage=usage,
            token_logprobs=tuple(token.logprob for token in tokens) if tokens else None,
            tokens=tuple(token.token for token in tokens) if tokens else None,
            latency_s=latency_s,
            cost_usd=pricing.cost_usd(
                usage,
                model=self._config.model_name,
                price=self._config.price,
                base_url=self._config.base_url,
                num_cached_tokens=num_cached,
            ),
        )

    async def _client(self) -> "AsyncOpenAI":
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = _Client(self._open())
            await self._clients[loop].open()
        return self._clients[loop].api

    async def _open(self) -> AsyncGenerator["AsyncOpenAI"]:
        """A client that closes with its event loop: a loop that ends closes the generators begun in it."""
        import httpx2
        from openai import AsyncOpenAI, DefaultAioHttpClient

        room = self._config.max_concurrency
        http = DefaultAioHttpClient(
            follow_redirects=False,
            timeout=self._config.timeout_s,
            limits=httpx2.Limits(max_connections=room, max_keepalive_connections=room),
            # A proxy of the environment cannot reach this machine's own servers.
            trust_env=not _is_loopback(self._base_url),
        )
        client = AsyncOpenAI(api_key=self._key, base_url=self._base_url, max_retries=0, http_client=http)
        try:
            yield client
        finally:
            await client.close()


class _Client:
    """A client and the generator that closes it."""

    def __init__(self, life: AsyncGenerator["AsyncOpenAI"]) -> None:
        self.life = life
        self.api: AsyncOpenAI

    async def open(self) -> None:
        self.api = await anext(self.life)


def _usage(reply: Any) -> tuple[Usage, int]:
    if reply.usage is None:
        return Usage(), 0
    details = getattr(reply.usage, "prompt_tokens_details", None)
    usage = Usage(prompt_tokens=reply.usage.prompt_tokens or 0, completion_tokens=reply.usage.completion_tokens or 0)
    return usage, getattr(details, "cached_tokens", None) or 0


def _key(config: ModelConfig) -> str:
    on_this_machine = config.base_url is not None and _is_loopback(config.base_url)
    # A key that the recipe does not name was not meant for a server on this machine.
    if on_this_machine and "api_key_env" not in config.model_fields_set:
        return "none"
    key = os.environ.get(config.api_key_env, "").strip()
    if not key and not on_this_machine:
        raise InputError(
            f"{config.model!r} needs a key, and the environment variable {config.api_key_env} is not set. "
            f"Set it (export {config.api_key_env}=...), or name another variable in api_key_env."
        )
    return key or "none"


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


PLUGIN = OpenAIModel
