"""Calls, tokens and money by role, and how long the calls take at their endpoints."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from cowest import pricing
from cowest.models import ModelConfig
from cowest.models.found_limit import FIRST as FIRST_IN_FLIGHT
from cowest.recipe import IN_PROCESS
from cowest.types import Usage


class Spend(BaseModel):
    """Calls, tokens and money; `cost_usd` is None where no price is known."""

    calls: int
    usage: Usage
    cost_usd: float | None


def priced(calls: int, usage: Usage, config: ModelConfig) -> Spend:
    """Calls and tokens with what they cost; a model in this process costs nothing."""
    cost = 0.0 if config.provider in IN_PROCESS else config.cost_usd(usage)
    return Spend(calls=calls, usage=usage, cost_usd=cost)


def sum_by_role(spends: Iterable[Mapping[str, Spend]]) -> dict[str, Spend]:
    """Adds up spends, role by role."""
    total: dict[str, Spend] = {}
    for by_role in spends:
        for role, spend in by_role.items():
            total[role] = _sum(total[role], spend) if role in total else spend
    return total


def within(spends: Mapping[str, Spend], usd: float | None) -> tuple[dict[str, Spend], float]:
    """A round's spend where its calls other than the weak model's may cost `usd`; and the share of it that is left."""
    cost = pricing.total_usd(spend.cost_usd for role, spend in spends.items() if role != "weak")
    if usd is None or not cost or cost <= usd:
        return dict(spends), 1.0
    return {role: _part(spend, usd / cost) for role, spend in spends.items()}, usd / cost


def _part(spend: Spend, share: float) -> Spend:
    usage = Usage(
        prompt_tokens=round(share * spend.usage.prompt_tokens),
        completion_tokens=round(share * spend.usage.completion_tokens),
    )
    cost = None if spend.cost_usd is None else share * spend.cost_usd
    return Spend(calls=round(share * spend.calls), usage=usage, cost_usd=cost)


def span(a: Mapping[str, Spend], b: Mapping[str, Spend]) -> tuple[dict[str, Spend], dict[str, Spend]]:
    """The lower and upper bound of two spends, number by number; a role missing on one side counts as zero there."""
    roles = sorted({*a, *b})
    pairs = [(a.get(role) or _zero_like(b[role]), b.get(role) or _zero_like(a[role])) for role in roles]
    low = {role: _combine(min, *pair) for role, pair in zip(roles, pairs, strict=True)}
    high = {role: _combine(max, *pair) for role, pair in zip(roles, pairs, strict=True)}
    return low, high


def cost_of(spends: Mapping[str, Spend]) -> float | None:
    """Money of all roles; None where that of any is unknown."""
    return pricing.total_usd(spend.cost_usd for spend in spends.values())


def wall_s(spends: Mapping[str, Spend], configs: Mapping[str, ModelConfig], latency_s: float) -> float:
    """Seconds of calls to endpoints; see `endpoint_s`."""
    return max(endpoint_s(spends, configs, latency_s).values(), default=0.0)


def endpoint_s(
    spends: Mapping[str, Spend], configs: Mapping[str, ModelConfig], latency_s: float
) -> dict[tuple[str, ...], float]:
    """Seconds of calls, by the roles that share an endpoint's limits since their model is the same.

    Args:
        spends, configs: by role.
        latency_s: of one call; at most `max_concurrency` calls run at once, or as many as are at first.
    """
    by_config: dict[str, tuple[ModelConfig, list[str], int, int]] = {}
    for role, spend in spends.items():
        config = configs[role]
        if config.provider in IN_PROCESS or config.batch:
            continue
        _, roles, calls, tokens = by_config.get(config.model_dump_json(), (config, [], 0, 0))
        total = spend.usage.prompt_tokens + spend.usage.completion_tokens
        by_config[config.model_dump_json()] = (config, [*roles, role], calls + spend.calls, tokens + total)
    return {
        tuple(roles): _seconds(config, calls, tokens, latency_s) for config, roles, calls, tokens in by_config.values()
    }


def _seconds(config: ModelConfig, calls: int, tokens: int, latency_s: float) -> float:
    num_endpoints = len(config.at_each_endpoint)
    # How many an endpoint takes is not known before: as many as it gets at first.
    bounds = [calls * latency_s / (config.max_concurrency or num_endpoints * FIRST_IN_FLIGHT)]
    if config.requests_per_minute:
        bounds.append(60 * calls / config.requests_per_minute / num_endpoints)
    if config.tokens_per_minute:
        bounds.append(60 * tokens / config.tokens_per_minute / num_endpoints)
    return max(bounds)


def _sum(a: Spend, b: Spend) -> Spend:
    cost = pricing.total_usd((a.cost_usd, b.cost_usd))
    return Spend(calls=a.calls + b.calls, usage=a.usage + b.usage, cost_usd=cost)


def _zero_like(spend: Spend) -> Spend:
    """A spend of zero; its money is unknown where that of `spend` is."""
    return Spend(calls=0, usage=Usage(), cost_usd=None if spend.cost_usd is None else 0.0)


def _combine(choose: Callable[..., Any], a: Spend, b: Spend) -> Spend:
    usage = Usage(
        prompt_tokens=choose(a.usage.prompt_tokens, b.usage.prompt_tokens),
        completion_tokens=choose(a.usage.completion_tokens, b.usage.completion_tokens),
    )
    unknown = a.cost_usd is None or b.cost_usd is None
    return Spend(
        calls=choose(a.calls, b.calls), usage=usage, cost_usd=None if unknown else choose(a.cost_usd, b.cost_usd)
    )
