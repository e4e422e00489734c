"""Calls and tokens by role, counted on samples of examples; a call that several stages make is counted once."""

from collections.abc import Mapping
from dataclasses import dataclass

from cowest.models import ModelConfig
from cowest.planning.spend import Spend, priced
from cowest.types import Usage


@dataclass
class _Count:
    calls: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0


class Tally:
    """Estimates totals from calls on samples of examples.

    A call on a sample stands for `weight` calls. One that was counted before is known, and so is whatever both the old
    and the new one stand for: samples hold the examples that come first in one common order, so that of two samples the
    coarser one, of the greater weight, says how many examples they share. A stage that uses all examples after one that
    used a sample of them therefore counts as many calls less as that sample stands for.

    Attributes:
        weight: how many calls the next ones stand for.
    """

    def __init__(self) -> None:
        self.weight = 1.0
        self._known: dict[str, float] = {}
        self._counts: dict[str, _Count] = {}

    def add(self, role: str, call: str, usage: Usage) -> None:
        """Counts a call, which `call` tells from others."""
        before = self._known.get(call)
        if before is None:
            self._known[call] = new = self.weight
        else:
            self._known[call] = min(before, self.weight)
            new = self.weight - max(before, self.weight)
        if new:
            count = self._counts.setdefault(role, _Count())
            count.calls += new
            count.prompt_tokens += new * usage.prompt_tokens
            count.completion_tokens += new * usage.completion_tokens

    def take(self, configs: Mapping[str, ModelConfig]) -> dict[str, Spend]:
        """What was counted since the last take, by role, with its price; what is known stays known."""
        counts, self._counts = self._counts, {}
        return {
            role: priced(
                max(0, round(count.calls)),
                Usage(
                    prompt_tokens=max(0, round(count.prompt_tokens)),
                    completion_tokens=max(0, round(count.completion_tokens)),
                ),
                configs[role],
            )
            for role, count in sorted(counts.items())
        }
