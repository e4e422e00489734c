"""What a row of the results took once, before its first query: its own preparation, and the feedback behind it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from cowest.methods.base import Preparation
from cowest.types import Usage


def preparation_of(
    round_number: int | None, own: Preparation | None, harvests: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Calls, tokens and money, whether or not a ledger knew them; training itself makes no calls and is not in it.

    Args:
        round_number: whose aligned model the row uses, if it uses one.
        own: what the method itself did before.
        harvests: summary.json of feedback by round.

    Returns:
        `calls` and `usage` by role and `cost_usd` (None where a price is unknown), with what else is known of it; None
        where nothing was done before, or where it is not known what, since a round's summary is missing.
    """
    found = None if own is None else own.model_dump()
    if not round_number:
        return found
    rounds = range(1, round_number + 1)
    if any(number not in harvests for number in rounds):
        return None
    parts = [harvests[number] for number in rounds]
    counts = {
        "rounds": round_number,
        "num_queries": sum(each["num_examples"] for each in parts),
        "num_pairs": sum(each["num_pairs"] for each in parts),
    }
    return (found or {}) | counts | _sum([*parts, *([found] if found else [])])


def _sum(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    calls: Counter[str] = Counter()
    usage: dict[str, Usage] = {}
    for part in parts:
        calls.update(part["calls"])
        for role, tokens in part["usage"].items():
            usage[role] = usage.get(role, Usage()) + Usage.model_validate(tokens)
    costs = [part["cost_usd"] for part in parts]
    return {
        "calls": dict(calls),
        "usage": {role: tokens.model_dump() for role, tokens in usage.items()},
        "cost_usd": None if None in costs else sum(costs),
    }
