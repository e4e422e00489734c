"""The recipe's section for a model: which one, where, sampled how, within which limits."""

import json
from typing import Annotated, Any, Literal, Self

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


Address = Annotated[str, Field(pattern=r"^[^@\s]*$")]
"""Of an endpoint; never with a password in it."""


class ModelConfig(Record):
    """A model and how it is called.

    Attributes:
        model: PROVIDER/NAME; `local/` takes a folder, a hub id or `package:folder`, `openai/` any compatible endpoint.
        base_url: endpoint of the provider; None is the provider's own. A list names several endpoints that serve the
            same model, for `openai/` only.
        api_key_env: name of the environment variable that holds the key; None is the provider's usual one, e.g.
            OPENAI_API_KEY. The key itself is never stored.
        sampling: of its replies.
        max_concurrency: requests in flight at once, at all endpoints together; None finds while running how many each
            endpoint takes.
        requests_per_minute, tokens_per_minute: limits that are known; None leaves them to be found while running.
        chat_template: of a local base model without one: "chatml", or a file; it replaces the one that there may be.
        timeout_s: seconds until a request counts as failed.
        batch: sends the calls through the endpoint's files and batches interface: cheaper, and up to 24 h a round.
        budget_usd: cap on this role's spend; reaching it ends the run with status 4.
        keep_logprobs: whether the ledger keeps the log-probabilities of its replies. They are a fifth of a large
            ledger; a calibrated gate and SuperICL need the weak model's, FLARE the strong model's.
        price: overrides the known list price.
        redact: `package.module:function` that redacts every message before it leaves; see models/redacted.py.
        options: settings of one provider only, e.g. `{dtype: float64, max_batch_size: 256}` for local models.
        engine: of a local model: "transformers" runs it in this process, "vllm" on servers that the run starts.
        vllm: those servers; see docs/engines.md.
        tokens_per_second: that one engine of a local model writes, all its replies together, as measured by you:
            `cowest plan` takes time and GPU hours from it, and nothing else uses it.

    Examples:
        >>> import cowest
        >>> cowest.ModelConfig(model="openai/gpt-4.1", budget_usd=40).provider
        'openai'
    """

    model: str = Field(pattern=r"^[A-Za-z_][\w.:]*/.+")
    base_url: Address | Annotated[tuple[Address, ...], Field(min_length=1)] | None = None
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
    sampling: Sampling = Sampling()
    max_concurrency: int | None = Field(default=None, ge=1)
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tokens_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    chat_template: str | None = Field(default=None, min_length=1)
    timeout_s: float = Field(default=120, gt=0, allow_inf_nan=False)
    batch: bool = False
    budget_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    keep_logprobs: bool = True
    price: Price | None = None
    redact: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    options: dict[str, Any] = Field(default_factory=dict)
    engine: Literal["transformers", "vllm"] = "transformers"
    vllm: EngineConfig | None = None
    tokens_per_second: float | None = Field(default=None, gt=0, allow_inf_nan=False)

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

    @model_validator(mode="after")
    def _speed_is_of_local_models(self) -> Self:
        if self.tokens_per_second is not None and self.provider != "local":
            raise ValueError(
                f"tokens_per_second is the speed of a local model; for {self.model!r} give the endpoint's limits: "
                "requests_per_minute, tokens_per_minute"
            )
        return self

    @model_validator(mode="after")
    def _several_endpoints_fit(self) -> Self:
        if isinstance(self.base_url, tuple):
            if len({url.rstrip("/") for url in self.base_url}) < len(self.base_url):
                raise ValueError("base_url names an endpoint twice")
            if self.provider != "openai":
                raise ValueError(f"base_url is a list, which is for openai/NAME; {self.model!r} has one endpoint")
            if self.batch:
                raise ValueError("batch is set and base_url is a list; a batch is sent to one endpoint. Name one")
        return self

    @property
    def is_served(self) -> bool:
        """Whether it is a local model on servers that the run starts."""
        return self.engine != "transformers"

    @property
    def at_each_endpoint(self) -> tuple["ModelConfig", ...]:
        """This section for each of its endpoints, by itself; itself where it does not list several."""
        if not isinstance(self.base_url, tuple):
            return (self,)
        return tuple(self.model_copy(update={"base_url": url}) for url in self.base_url)

    @property
    def address(self) -> str | None:
        """The endpoint of a section that names one at most; a list is opened by `at_each_endpoint`."""
        assert not isinstance(self.base_url, tuple), self.base_url
        return self.base_url

    @property
    def where(self) -> str:
        """The endpoint, or how many there are, in a few words; empty for the provider's own."""
        if isinstance(self.base_url, tuple):
            return ", ".join(self.base_url) if len(self.base_url) <= 3 else f"{len(self.base_url)} endpoints"
        return self.base_url or ""

    @property
    def provider(self) -> str:
        """The part before the first slash."""
        return self.model.partition("/")[0]

    @property
    def gives_logprobs(self) -> bool | None:
        """Whether its completions carry log-probabilities, as far as the section says; None where it does not."""
        if not self.keep_logprobs:
            return False
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

        Of several endpoints with different list prices it is the highest.

        Args:
            usage: its tokens.
            model: what the endpoint says it answered with, where that decides the price; else the configured one.
            num_cached_tokens, num_cache_written_tokens: prompt tokens that are priced apart.
            batch: whether it came through the batch interface; None where the recipe decides that.
        """
        urls = self.base_url if isinstance(self.base_url, tuple) else (self.base_url,)
        costs = [
            pricing.cost_usd(
                usage,
                model=model or self.model_name,
                provider=self.provider,
                price=self.price,
                base_url=url,
                num_cached_tokens=num_cached_tokens,
                num_cache_written_tokens=num_cache_written_tokens,
                batch=self.batch if batch is None else batch,
            )
            for url in urls
        ]
        known = [cost for cost in costs if cost is not None]
        return max(known) if len(known) == len(costs) else None
