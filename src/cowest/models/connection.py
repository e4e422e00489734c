"""From a recipe's section to a connection: the provider it names, with everything that stands between a call and it."""

from collections.abc import Callable, Sequence

from cowest import plugins
from cowest.engines import Fleet, default_fleet
from cowest.errors import BrokenReplyError, InputError
from cowest.ledger import Ledger
from cowest.models._batch_interface import BatchProvider
from cowest.models.base import BaseChatModel, ChatModel, as_base_model
from cowest.models.batched import Batched
from cowest.models.budgeted import Budgeted, Cost
from cowest.models.concurrency import Concurrent
from cowest.models.config import ModelConfig
from cowest.models.endpoints import Balanced, Endpoints
from cowest.models.found_concurrency import FoundConcurrency
from cowest.models.limits import limits_of
from cowest.models.paced import Paced
from cowest.models.redacted import load_redaction
from cowest.models.retrying import Retrying
from cowest.models.without_logprobs import WithoutLogprobs
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest


class Connection(WrapperModel):
    """A provider as it is called: in batches, or paced and tried again; within a budget; redacted. It has no role.

    Args:
        provider: what is called in the end.
        model: the wrappers around it; None where there are none.
        budget: the one among them that holds the budget; None where there is none.
        cost: prices a usage; None for a model in this process, which costs nothing.

    Attributes:
        provider: what is called in the end, for what only a provider of its class can do.
        budget: likewise; what else spends from it is to be counted there.
    """

    def __init__(
        self,
        provider: ChatModel,
        model: BaseChatModel | None = None,
        budget: Budgeted | None = None,
        cost: Cost | None = None,
    ) -> None:
        super().__init__(provider if model is None else model)
        self.provider = provider
        self.budget = budget
        self.cost = cost


def connect(
    config: ModelConfig,
    *,
    roles: Sequence[str],
    ledger: Ledger | None = None,
    seed: int = 0,
    fleet: Fleet | None = None,
) -> Connection:
    """Connects to the model that `config` names; calls nothing.

    Args:
        config: the recipe's section.
        roles: of all who call this very model: what they spent in earlier processes counts towards its budget.
        ledger: where calls are kept; None keeps nothing.
        seed: of sampling in process, and of the waits between retries.
        fleet: has the servers that this process starts; None is one for models that belong to no run.

    Raises:
        InputError: the provider, the model or a setting is wrong.
    """
    provider = load_provider(config, seed, role=roles[0], fleet=fleet)
    model = as_base_model(provider)
    if config.batch:
        if not isinstance(provider, BatchProvider):
            raise InputError(
                f"batch is set for {config.model!r}, which has no files and batches interface. Leave batch out; it is "
                "for openai/NAME at OpenAI or at a base_url that has the interface."
            )
        path = None if ledger is None else ledger.path.with_suffix(".batches.jsonl")
        batched = Batched(provider, path)
        budget = _budget(batched, config, was_sent=batched.was_sent)
        # What fails for a while is sent in another batch by the queue itself. A broken reply was paid for, so that
        # asking again is another call of the budget.
        model = Retrying(budget or batched, repeats=(BrokenReplyError,), max_broken=3, seed=seed)
    elif model.in_process:
        if config.redact is not None:
            raise InputError(
                f"redact is set for {config.model!r}, which runs in this process: nothing leaves. Leave it out."
            )
        return Connection(provider, _on_this_machine(model, config, seed))
    else:
        # From the inside out: a call is within budget, paced, bounded in number, and repeated where that may help. So
        # every attempt is paced and paid, and a kill leaves only such calls booked as were sent.
        budget = _budget(model, config)
        if isinstance(provider, Endpoints):
            called: BaseChatModel = _at_endpoints(provider, budget or model, config)
        else:
            called = _within_limits(budget or model, model, config)
        if config.max_concurrency is not None:
            called = Concurrent(called, config.max_concurrency)
        model = Retrying(called, seed=seed)
    if budget is not None and ledger is not None:
        for role in roles:
            budget.count_earlier(ledger, role)
    if config.redact is not None:
        model = load_redaction(model, config.redact)
    if not config.keep_logprobs:
        model = WithoutLogprobs(model)
    return Connection(provider, model, budget, config.cost_usd)


def load_provider(config: ModelConfig, seed: int = 0, *, role: str = "model", fleet: Fleet | None = None) -> ChatModel:
    """The provider that `config` names, without anything around it; the arguments are as in `connect`.

    Raises:
        InputError: there is no such provider, or it cannot be made from these settings.
    """
    if config.is_served:
        from cowest.models.served import ServedModel

        return ServedModel.from_config(config, seed, role, fleet or default_fleet())
    found = plugins.load(config.provider, "cowest.models.providers", "provider")
    if isinstance(config.base_url, tuple):
        return Endpoints(config, [found.from_config(one, seed) for one in config.at_each_endpoint])
    provider: ChatModel = found.from_config(config, seed)
    return provider


def _on_this_machine(model: BaseChatModel, config: ModelConfig, seed: int) -> BaseChatModel:
    """A model without an endpoint to spare; and without a failure that passes by itself, except a server's."""
    called = Retrying(model, seed=seed) if config.is_served else model
    return called if config.keep_logprobs else WithoutLogprobs(called)


def _at_endpoints(endpoints: Endpoints, model: BaseChatModel, config: ModelConfig) -> BaseChatModel:
    """`model`, below which are all endpoints, as it is called at each within that one's limits."""
    return Balanced(endpoints, [_within_limits(model, each.provider, config) for each in endpoints.each])


def _within_limits(model: BaseChatModel, endpoint: BaseChatModel, config: ModelConfig) -> BaseChatModel:
    """`model` within the limits of one endpoint."""
    limits = limits_of(*endpoint.account, config.requests_per_minute, config.tokens_per_minute)
    endpoint.listen_to_headers(limits.read_headers)
    paced = Paced(model, limits)
    if config.max_concurrency is not None:
        return paced
    return FoundConcurrency(paced, limits, len(config.at_each_endpoint))


def _budget(
    model: BaseChatModel, config: ModelConfig, was_sent: Callable[[ChatRequest], bool] | None = None
) -> Budgeted | None:
    if config.budget_usd is None:
        return None
    return Budgeted(
        model, config.budget_usd, cost=config.cost_usd, max_tokens=config.sampling.max_tokens, was_sent=was_sent
    )
