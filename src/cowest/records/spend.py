"""Sums over calls: their number and their tokens, by role."""

from collections.abc import Iterable, Mapping

from cowest.types import Usage


def add_calls(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Number of calls by role, over several parts."""
    total: dict[str, int] = {}
    for part in parts:
        for role, count in part.items():
            total[role] = total.get(role, 0) + count
    return total


def add_usage(parts: Iterable[Mapping[str, Usage]]) -> dict[str, Usage]:
    """Tokens by role, over several parts."""
    total: dict[str, Usage] = {}
    for part in parts:
        for role, usage in part.items():
            total[role] = total.get(role, Usage()) + usage
    return total
