"""Calls and tokens by role, counted on samples of examples; a call made by several stages is counted once."""

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

    A call on a sample stands for `weight` calls. When the same call comes again with another weight, the calls that
    both stand for are already counted. All samples take the first examples of one common order, so the sample with
    the greater weight, which is the coarser one, decides how many examples the two share. A stage that uses all
    examples after one that used a sample of them therefore adds only the calls for which that sample did not stand.

    Attributes:
        weight: number of calls for which each of the next ones stands.
    """

    def __init__(self) -> None:
        self.weight = 1.0
        self._weights: dict[str, float] = {}
        self._counts: dict[str, _Count] = {}

    def add(self, role: str, call: str, usage: Usage) -> None:
        """Counts a call.

        Args:
            call: identifies the call.
        """
        before = self._weights.get(call)
        if before is None:
            self._weights[call] = new = self.weight
        else:
            self._weights[call] = min(before, self.weight)
            new = self.weight - max(before, self.weight)
        if new:
            count = self._counts.setdefault(role, _Count())
            count.calls += new
            count.prompt_tokens += new * usage.prompt_tokens
            count.completion_tokens += new * usage.completion_tokens

    def take(self, configs: Mapping[str, ModelConfig]) -> dict[str, Spend]:
        """What was counted since the last take, by role and with its price; calls counted before stay counted."""
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
