"""The recipe's section for a model: which one, where, sampled how, within which limits."""

import json
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from cowest import pricing
from cowest.engines.config import EngineConfig
from cowest.types import Record, Sampling, Usage


class Price(Record):
    """USD per million tokens.

    Attributes:
        input: of the prompt.
        output: of the reply, reasoning included.
    """

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)


class ModelConfig(Record):
    """A model and how it is called.

    Attributes:
        model: PROVIDER/NAME; `local/` takes a folder, a hub id or `package:folder`, `openai/` any compatible endpoint.
        base_url: endpoint of the provider; None is the provider's own.
        api_key_env: name of the environment variable that holds the key; None is the provider's usual one, e.g.
            OPENAI_API_KEY. The key itself is never stored.
        sampling: of its replies.
        max_concurrency: requests in flight at once.
        requests_per_minute, tokens_per_minute: limits that are known; None leaves them to be found while running.
        chat_template: of a local base model without one: "chatml", or a file; it replaces the one that there may be.
        timeout_s: seconds until a request counts as failed.
        batch: sends the calls through the endpoint's files and batches interface: cheaper, and up to 24 h a round.
        budget_usd: cap on this role's spend; reaching it ends the run with status 4.
        price: overrides the known list price.
        redact: `package.module:function` that redacts every message before it leaves; see models/redacted.py.
        options: settings of one provider only, e.g. `{dtype: float64, max_batch_size: 256}` for local models.
        engine: of a local model: "transformers" runs it in this process, "vllm" on servers that the run starts.
        vllm: those servers; see docs/engines.md.
    """

    model: str = Field(pattern=r"^[A-Za-z_][\w.:]*/.+")
    base_url: str | None = Field(default=None, pattern=r"^[^@\s]*$")
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
    sampling: Sampling = Sampling()
    max_concurrency: int = Field(default=64, ge=1)
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tokens_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    chat_template: str | None = Field(default=None, min_length=1)
    timeout_s: float = Field(default=120, gt=0, allow_inf_nan=False)
    batch: bool = False
    budget_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    price: Price | None = None
    redact: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    options: dict[str, Any] = Field(default_factory=dict)
    engine: Literal["transformers", "vllm"] = "transformers"
    vllm: EngineConfig | None = None

    @field_validator("options")
    @classmethod
    def _options_are_json(cls, options: dict[str, Any]) -> dict[str, Any]:
        json.dumps(options, allow_nan=False, default=str)  # its ValueError names NaN, which no request can hold
        return options

    @model_validator(mode="after")
    def _template_is_for_local_models(self) -> Self:
        if self.chat_template is not None and self.provider != "local":
            raise ValueError(f"chat_template is for local models; {self.model!r} has a server that renders prompts")
        return self

    @model_validator(mode="after")
    def _engine_is_for_local_models(self) -> Self:
        if self.engine != "transformers" and self.provider != "local":
            raise ValueError(
                f"engine: {self.engine} starts servers of a local model; {self.model!r} has its own. Leave engine out, "
                "or write model: local/FOLDER"
            )
        return self

    @property
    def is_served(self) -> bool:
        """Whether it is a local model on servers that the run starts."""
        return self.engine != "transformers"

    @property
    def provider(self) -> str:
        """The part before the first slash."""
        return self.model.partition("/")[0]

    @property
    def gives_logprobs(self) -> bool | None:
        """Whether its completions carry log-probabilities, as far as its options say; None where they do not."""
        if self.provider == "local":
            return bool(self.options.get("logprobs", True))
        return bool(self.options.get("logprobs", False)) if self.provider == "openai" else None

    @property
    def model_name(self) -> str:
        """The part after the first slash."""
        return self.model.partition("/")[2]

    def cost_usd(
        self,
        usage: Usage,
        *,
        model: str | None = None,
        num_cached_tokens: int = 0,
        num_cache_written_tokens: int = 0,
        batch: bool | None = None,
    ) -> float | None:
        """USD of a call; None where no price is known. See `cowest.pricing.cost_usd`.

        Args:
            usage: its tokens.
            model: what the endpoint says it answered with, where that decides the price; else the configured one.
            num_cached_tokens, num_cache_written_tokens: prompt tokens that are priced apart.
            batch: whether it came through the batch interface; None where the recipe decides that.
        """
        return pricing.cost_usd(
            usage,
            model=model or self.model_name,
            provider=self.provider,
            price=self.price,
            base_url=self.base_url,
            num_cached_tokens=num_cached_tokens,
            num_cache_written_tokens=num_cache_written_tokens,
            batch=self.batch if batch is None else batch,
        )
