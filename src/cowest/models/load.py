"""From a recipe's section to a model that is ready to be called."""

import functools
from collections.abc import Sequence

from pydantic import ValidationError

from cowest import plugins
from cowest.errors import InputError
from cowest.ledger import Ledger
from cowest.models._batch_interface import BatchProvider
from cowest.models.base import ChatModel
from cowest.models.batched import Batched
from cowest.models.budgeted import Budgeted
from cowest.models.concurrency import Concurrent
from cowest.models.config import ModelConfig
from cowest.models.ledgered import Ledgered
from cowest.models.limits import EndpointLimits, limits_of
from cowest.models.metered import Metered
from cowest.models.paced import Paced
from cowest.models.redacted import load_redaction
from cowest.models.retrying import Retrying


def load_model(
    config: ModelConfig | str,
    *,
    role: str,
    ledger: Ledger | None = None,
    seed: int = 0,
    shared_with: Sequence[str] = (),
) -> Metered:
    """Builds the model that `config` names.

    Args:
        config: the recipe's section, or only PROVIDER/NAME.
        role: what it is in the run, e.g. "weak", "strong", "judge": the name its calls are kept and counted under.
        ledger: where its calls are kept; None keeps nothing.
        seed: of sampling in process, and of the waits between retries.
        shared_with: other roles that call this very model, such as the judge where it is the strong one: what they
            spent in earlier processes counts towards the same budget.

    Raises:
        InputError: the provider, the model or a setting is wrong; nothing was called.
    """
    if isinstance(config, str):
        config = _parse(config)
    provider: ChatModel = plugins.load(config.provider, "cowest.models.providers", "provider").from_config(config, seed)
    model: ChatModel
    if config.batch:
        model = _capped(_batched(provider, config, ledger), config, ledger, (role, *shared_with))
        return Metered(_kept(_redacted(model, config), ledger, role), role)
    if getattr(provider, "in_process", False):
        if config.redact is not None:
            raise InputError(
                f"redact is set for {config.model!r}, which runs in this process: nothing leaves. Leave it out."
            )
        # No endpoint to spare and nothing that passes by itself: such a model batches what it is given.
        return Metered(_kept(provider, ledger, role), role)
    # From the inside out: a call is paced, bounded in number, within budget, repeated where that may help, redacted,
    # kept once paid for, and counted. So what the ledger knows is neither paced nor paid, and every attempt is both.
    model = Paced(provider, _limits(provider, config))
    model = Retrying(
        _capped(Concurrent(model, config.max_concurrency), config, ledger, (role, *shared_with)), seed=seed
    )
    return Metered(_kept(_redacted(model, config), ledger, role), role)


def _batched(provider: ChatModel, config: ModelConfig, ledger: Ledger | None) -> Batched:
    if not isinstance(provider, BatchProvider):
        raise InputError(
            f"batch is set for {config.model!r}, which has no files and batches interface. Leave batch out; it is for "
            "openai/NAME at OpenAI or at a base_url that has the interface."
        )
    return Batched(provider, None if ledger is None else ledger.path.with_suffix(".batches.jsonl"))


def _capped(model: ChatModel, config: ModelConfig, ledger: Ledger | None, roles: Sequence[str]) -> ChatModel:
    if config.budget_usd is None:
        return model

    keep_loss = None if ledger is None else functools.partial(ledger.lose, roles[0])
    capped = Budgeted(
        model, config.budget_usd, cost=config.cost_usd, max_tokens=config.sampling.max_tokens, keep_loss=keep_loss
    )
    if ledger is None:
        return capped
    for role in roles:
        capped.spent_before(ledger.spend_usd(role) + ledger.lost_usd(role), ledger.open_requests(role))
    return capped


def _redacted(model: ChatModel, config: ModelConfig) -> ChatModel:
    return model if config.redact is None else load_redaction(model, config.redact)


def _limits(provider: ChatModel, config: ModelConfig) -> EndpointLimits:
    """The limits that all models of the same endpoint and key share; the provider tells what headers say of them."""
    endpoint, key = getattr(provider, "account", (provider.identity, ""))
    limits = limits_of(endpoint, key, config.requests_per_minute, config.tokens_per_minute)
    if hasattr(provider, "on_headers"):
        provider.on_headers = limits.told
    return limits


def _kept(model: ChatModel, ledger: Ledger | None, role: str) -> ChatModel:
    return model if ledger is None else Ledgered(model, ledger, role)


def _parse(name: str) -> ModelConfig:
    try:
        return ModelConfig(model=name)
    except ValidationError as error:
        raise InputError(
            f"{name!r} names no model. Write PROVIDER/NAME, such as openai/gpt-4.1, or local/FOLDER for a model "
            f"on disk; providers: {', '.join(plugins.choices('cowest.models.providers'))}."
        ) from error
