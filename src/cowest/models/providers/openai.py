"""OpenAI-compatible endpoints: OpenAI itself, vLLM, SGLang, `transformers serve`, Ollama, gateways."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from cowest.errors import CowestError
from cowest.models.base import Json
from cowest.models.config import ModelConfig
from cowest.models.providers import _openai_failures
from cowest.models.providers import _remote_failures as failures
from cowest.models.providers._openai_post import ChatPost
from cowest.models.providers._openai_reply import Counted, read_reply
from cowest.models.providers._remote import RemoteModel, sendable
from cowest.types import ChatRequest, Completion, Usage

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

_OPENAI_URL = "https://api.openai.com/v1"
_SAMPLING_FIELDS = {"temperature", "top_p", "max_tokens", "max_completion_tokens", "stop"}


class OpenAIModel(RemoteModel["AsyncOpenAI"]):
    """Chat completions, one request for one completion.

    `options` of the recipe are further fields of the request, e.g. `{reasoning_effort: low}`; with `{logprobs: true}`
    completions carry `token_logprobs`.
    """

    default_url = _OPENAI_URL
    default_key_env = "OPENAI_API_KEY"
    own_fields = frozenset({"model", "messages", "stream", "n"} | _SAMPLING_FIELDS)

    def __init__(self, config: ModelConfig, key: str) -> None:
        super().__init__(config, key)
        self._posts: dict[AsyncOpenAI, ChatPost] = {}

    async def _send(self, client: "AsyncOpenAI", request: ChatRequest) -> object:
        return await self._posts[client].reply(self._body(request))

    def _package_errors(self) -> tuple[type[Exception], ...]:
        import openai

        return (openai.OpenAIError,)

    def _failure(self, error: Exception) -> CowestError:
        return _openai_failures.translate(error, self._where, secret=self._key)

    async def listed_models(self) -> list[str] | None:
        """The models that the endpoint says it has, which costs nothing; none where it keeps no such list.

        Raises:
            EndpointError: the key is wrong, or the endpoint cannot be reached.
        """
        import openai

        client = await self._client()
        try:
            async with asyncio.timeout(min(self._config.timeout_s, 20)):
                return [model.id async for model in client.models.list()]
        except TimeoutError:
            raise failures.timed_out(self._where, self._config.timeout_s) from None
        except openai.APIStatusError as error:
            if error.status_code in (401, 403):
                raise self._failure(error) from None
            return []
        except openai.OpenAIError as error:
            raise self._failure(error) from None

    async def chat_post(self) -> ChatPost:
        """How finished bodies are posted in this event loop."""
        return self._posts[await self._client()]

    @property
    def batch_where(self) -> str:
        """Model and address, for messages."""
        return self._where

    async def batch_client(self) -> "AsyncOpenAI":
        """The client of this event loop; it makes no retries of its own."""
        return await self._client()

    def batch_failure(self, error: Exception) -> CowestError:
        """What an error of the `openai` package is in this package's terms; holds no key."""
        return self._failure(error)

    def batch_clean(self, message: str) -> str:
        """What the endpoint said, without the key and not too long."""
        return failures.clean(message, self._key)

    def batch_body(self, request: ChatRequest) -> Json:
        """The request as the JSON that a line of a batch holds."""
        return self._body(sendable(request))

    def batch_reply(self, row: Json, latency_s: float) -> Completion:
        """The completion in a line of a batch's output, which holds the reply that a single call would have got.

        Raises:
            CompletionError, TransientEndpointError, EndpointError: as `complete`.
        """
        response = row.get("response")
        body = response.get("body") if isinstance(response, dict) and response.get("status_code") == 200 else None
        if not isinstance(body, dict):
            raise _openai_failures.of_batch_line(row, self._where, secret=self._key)
        return self._read(lambda: self._completion(body, latency_s, batch=True))

    def _body(self, request: ChatRequest) -> Json:
        sampling = request.sampling
        body: Json = {
            "model": self._config.model_name,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "temperature": sampling.temperature,
        } | self._config.options
        if sampling.top_p is not None:
            body["top_p"] = sampling.top_p
        if sampling.max_tokens is not None:
            body[self._limit_field] = sampling.max_tokens
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        return body

    @property
    def _limit_field(self) -> str:
        # OpenAI's newer models refuse the old name, older servers do not know the new one.
        return "max_completion_tokens" if self._base_url == _OPENAI_URL else "max_tokens"

    def _completion(self, reply: object, latency_s: float, *, batch: bool = False) -> Completion:
        read = read_reply(reply, self._where, secret=self._key)
        return Completion(
            text=read.text,
            finish_reason=read.finish_reason,
            usage=read.counted.usage if read.counted else Usage(),
            token_logprobs=tuple(logprob for _, logprob in read.tokens) or None,
            tokens=tuple(text for text, _ in read.tokens) or None,
            latency_s=latency_s,
            cost_usd=self._cost_usd(read.counted, self._priced_as(read.model), batch=batch),
        )

    def _cost_usd(self, counted: Counted | None, model: str, *, batch: bool = False) -> float | None:
        """USD of a call; None where the endpoint counted no tokens or charges a price that is not known."""
        if counted is None:
            return None
        if self._config.price is None and counted.charged_usd is not None:
            return counted.charged_usd  # gateways such as OpenRouter say what they charged
        return self._config.cost_usd(
            counted.usage, model=model, num_cached_tokens=counted.num_cached_tokens, batch=batch
        )

    def _priced_as(self, answered: str) -> str:
        """The name of the model whose price a reply has; `answered` is the one that it names."""
        return self._config.model_name

    async def _open(self) -> AsyncGenerator["AsyncOpenAI"]:
        http = self._http()
        client = self._connect(http)
        self._posts[client] = ChatPost(client, http, self._hear)
        try:
            yield client
        finally:
            self._posts.pop(client, None)
            await client.close()

    def _connect(self, http: "httpx2.AsyncClient") -> "AsyncOpenAI":
        from openai import AsyncOpenAI

        return AsyncOpenAI(api_key=self._key, base_url=self._base_url, max_retries=0, http_client=http)


PLUGIN = OpenAIModel
