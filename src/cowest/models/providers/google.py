"""Google's Gemini interface, through the `google-genai` package: `google/MODEL`."""

import re
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Self

from pydantic import TypeAdapter

from cowest.errors import BrokenReplyError, CompletionError, CowestError, InputError
from cowest.models.config import ModelConfig
from cowest.models.providers import _remote_failures as failures
from cowest.models.providers._remote import RemoteModel, needs_package
from cowest.models.providers._reply_format import Count, Format, Reason, Text, parse, read, unrecognized, valid
from cowest.types import ChatRequest, Completion, Usage

if TYPE_CHECKING:
    from google.genai.client import AsyncClient

_FINISHED = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
_ROLES = {"user": "user", "assistant": "model"}
_SAMPLING_FIELDS = {"temperature", "top_p", "max_output_tokens", "stop_sequences"}


# The names of the interface.
class _Part(Format):
    text: Text | None = None
    thought: object = None


class _Content(Format):
    parts: list[_Part] | None = None


class _Candidate(Format):
    content: _Content | None = None
    finishReason: Reason | None = None  # noqa: N815


class _Feedback(Format):
    blockReason: Reason | None = None  # noqa: N815


class _Reply(Format):
    candidates: list[_Candidate] | None = None
    promptFeedback: _Feedback | None = None  # noqa: N815
    usageMetadata: object = None  # noqa: N815


class _Counts(Format):
    promptTokenCount: Count  # noqa: N815
    # Absent where they are 0.
    candidatesTokenCount: Count | None = None  # noqa: N815
    thoughtsTokenCount: Count | None = None  # noqa: N815
    cachedContentTokenCount: Count | None = None  # noqa: N815


_COUNTS = TypeAdapter(_Counts)


class GoogleModel(RemoteModel["AsyncClient"]):
    """`generateContent` of the Gemini interface, one request for one completion.

    `options` of the recipe are further settings of the generation under the package's names, e.g.
    `{thinking_config: {thinking_budget: 0}}`.
    """

    default_url = "https://generativelanguage.googleapis.com"
    default_key_env = "GEMINI_API_KEY"
    own_fields = frozenset(
        {"system_instruction", "candidate_count", "http_options", "should_return_http_response"} | _SAMPLING_FIELDS
    )

    @classmethod
    def from_config(cls, config: ModelConfig, seed: int) -> Self:
        """Checks package, address, key and options; opens no connection.

        Raises:
            InputError: one of them is missing or wrong.
        """
        needs_package("google.genai", config.model, extra="google")
        from google.genai.types import GenerateContentConfig
        from pydantic import ValidationError

        try:
            GenerateContentConfig(**config.options)
        except ValidationError as error:
            wrong = sorted({".".join(str(part) for part in problem["loc"]) for problem in error.errors()})
            raise InputError(
                f"options of {config.model!r}: {', '.join(wrong)} is not a setting of google-genai, or has a wrong "
                "value. They are those of its GenerateContentConfig."
            ) from error
        return super().from_config(config, seed)

    async def _open(self) -> AsyncGenerator["AsyncClient"]:
        from google import genai
        from google.genai.types import HttpOptions, HttpRetryOptions

        http = self._http()
        options = HttpOptions(
            base_url=self._base_url,
            timeout=round(self._config.timeout_s * 1000),
            retry_options=HttpRetryOptions(attempts=1),
            httpx_async_client=http,
        )
        # vertexai=False is explicit, since variables of the environment would otherwise send the calls to Vertex.
        client = genai.Client(vertexai=False, api_key=self._key, http_options=options)
        try:
            yield client.aio
        finally:
            client.close()
            await client.aio.aclose()
            await http.aclose()

    async def _send(self, client: "AsyncClient", request: ChatRequest) -> Any:
        from google.genai.types import Content, GenerateContentConfig, Part

        sampling = request.sampling
        contents: list[Any] = [
            Content(role=_ROLES[message.role], parts=[Part(text=message.content)])
            for message in request.messages
            if message.role != "system"
        ]
        system = "\n\n".join(message.content for message in request.messages if message.role == "system")
        config = GenerateContentConfig(
            system_instruction=system or None,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_output_tokens=sampling.max_tokens,
            stop_sequences=list(sampling.stop) or None,
            should_return_http_response=True,
            **self._config.options,
        )
        reply = await client.models.generate_content(model=self._config.model_name, contents=contents, config=config)
        return parse((reply.sdk_http_response and reply.sdk_http_response.body) or "")

    def _completion(self, reply: object, latency_s: float) -> Completion:
        if not isinstance(reply, dict) or not reply.keys() & {"candidates", "promptFeedback"}:
            raise unrecognized(reply, self._where, "Google's endpoint", self._key)
        whole = read(_Reply, reply, self._where)
        if (feedback := whole.promptFeedback) is not None and feedback.blockReason is not None:
            reason = failures.clean(feedback.blockReason, self._key)
            raise CompletionError(f"{self._where} refused the prompt ({reason}).")
        if not whole.candidates:
            raise BrokenReplyError(f"{self._where} sent a reply without candidates.")
        candidate, counts = whole.candidates[0], valid(_COUNTS, whole.usageMetadata)
        parts = (candidate.content and candidate.content.parts) or []
        return self._finished(
            "".join(part.text for part in parts if part.text and not part.thought),
            candidate.finishReason,
            _FINISHED,
            usage=_usage(counts),
            latency_s=latency_s,
            cost_usd=self._cost_usd(counts),
        )

    def _cost_usd(self, counts: _Counts | None) -> float | None:
        if counts is None:
            return None
        cached = min(counts.cachedContentTokenCount or 0, counts.promptTokenCount)
        return self._config.cost_usd(_usage(counts), num_cached_tokens=cached)

    def _package_errors(self) -> tuple[type[Exception], ...]:
        import httpx2
        from google.genai.errors import APIError

        return (APIError, httpx2.HTTPError)

    def _failure(self, error: Exception) -> CowestError:
        from google.genai.errors import APIError

        if not isinstance(error, APIError):
            return failures.no_connection(error, self._where, self._key)
        message = failures.clean(str(error.message or error.status), self._key)
        details = str(error.details)
        # A wrong key comes as an ordinary bad request.
        status = 401 if "API_KEY_INVALID" in details else error.code
        # The response is that of whichever HTTP client the package has used, and of no common type.
        headers = dict(getattr(error.response, "headers", None) or {})
        if wait := re.search(r"'retryDelay': '([\d.]+)s'", details):
            headers = {"retry-after": wait[1]} | {name.lower(): value for name, value in headers.items()}
        return failures.by_status(status, message, self._where, headers)


def _usage(counts: _Counts | None) -> Usage:
    """Tokens; what the model thought is charged as output."""
    if counts is None:
        return Usage()
    written = (counts.candidatesTokenCount or 0) + (counts.thoughtsTokenCount or 0)
    return Usage(prompt_tokens=counts.promptTokenCount, completion_tokens=written)


PLUGIN = GoogleModel
