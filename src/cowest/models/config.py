"""The recipe's section for a model: which one, where, sampled how, within which limits."""

from typing import Any

from pydantic import Field

from cowest.types import Record, Sampling


class Price(Record):
    """USD per million tokens."""

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)


class ModelConfig(Record):
    """A model and how it is called.

    Attributes:
        model: PROVIDER/NAME; `local/` takes a folder, a hub id or `package:folder`, `openai/` any compatible endpoint.
        base_url: endpoint of the provider; None is the provider's own.
        api_key_env: name of the environment variable that holds the key; None is the provider's usual one, e.g.
            OPENAI_API_KEY. The key itself is never stored.
        max_concurrency: requests in flight at once.
        requests_per_minute, tokens_per_minute: limits that are known; None leaves them to be found while running.
        timeout_s: seconds until a request counts as failed.
        batch: sends the calls through the endpoint's files and batches interface: cheaper, and up to 24 h a round.
        budget_usd: cap on this role's spend; reaching it ends the run with status 4.
        price: overrides the known list price.
        redact: `package.module:function` that redacts every message before it leaves; see models/redacted.py.
        options: settings of one provider only, e.g. `{dtype: float64, max_batch_size: 256}` for local models.
    """

    model: str = Field(pattern=r"^[A-Za-z_][\w.:]*/.+")
    base_url: str | None = Field(default=None, pattern=r"^[^@\s]*$")
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
    sampling: Sampling = Sampling()
    max_concurrency: int = Field(default=64, ge=1)
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tokens_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    timeout_s: float = Field(default=120, gt=0, allow_inf_nan=False)
    batch: bool = False
    budget_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    price: Price | None = None
    redact: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def provider(self) -> str:
        """The part before the first slash."""
        return self.model.partition("/")[0]

    @property
    def model_name(self) -> str:
        """The part after the first slash."""
        return self.model.partition("/")[2]
