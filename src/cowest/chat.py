"""What is sent to a model and what comes back: messages, sampling, a completion. Imported from `types`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Role = Literal["system", "user", "assistant"]


def omitted_if_none() -> Any:
    """A field that is left out of the file where it is None."""
    return Field(default=None, exclude_if=lambda value: value is None)


class Record(BaseModel):
    """A frozen record that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Record):
    """One turn of a conversation, in the shape every chat endpoint and TRL share."""

    role: Role
    content: str


class Sampling(Record):
    """How a completion is sampled. `temperature=0` is greedy; `None` leaves a setting to the endpoint."""

    temperature: float = Field(default=1.0, ge=0.0, le=2.0, description="0 is greedy.")
    top_p: float | None = Field(default=None, gt=0.0, le=1.0, description="nucleus sampling: the share of probability.")
    max_tokens: int | None = Field(default=None, ge=1, description="most tokens of a reply.")
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), description="texts that end a reply.")


class ChatRequest(Record):
    """One request for one completion.

    `sample_index` distinguishes samples of the same prompt: the K drafts of a query are K requests that differ in
    nothing else. `seed` makes sampling repeatable where the provider can (in process it always can).
    """

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    sample_index: int = Field(default=0, ge=0)
    prompt_version: str = ""


class Usage(Record):
    """Tokens of one or many calls."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )


class Completion(Record):
    """A model's reply to one request.

    Attributes:
        text: the reply, without special tokens.
        finish_reason: "stop" for a natural end, "length" when the token limit cut it.
        token_logprobs: natural-log probability of each sampled token, where the provider gives them.
        tokens: the text of each of them, in the same order.
        latency_s: seconds from sending to the last token; a reply from the ledger keeps its first latency.
        cost_usd: money of this call; 0.0 for a model in process, None where no price is known.
    """

    text: str
    finish_reason: str
    usage: Usage = Usage()
    token_logprobs: tuple[float, ...] | None = None
    tokens: tuple[str, ...] | None = None
    latency_s: float = 0.0
    cost_usd: float | None = 0.0
