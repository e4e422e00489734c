"""Calls that were let through at a rate, and what became of those that were sent to a full endpoint."""

import math
from collections import deque
from dataclasses import dataclass

ENOUGH = 8
"""Calls that tell a rate."""


@dataclass(slots=True, eq=False)
class Call:
    """A call that was let through.

    Attributes:
        started, rate, episode: when, at what rate, and in which episode.
        waited: whether it had to wait for its turn.
        number: of calls let through before.
        is_hurried: whether it came sooner after the one before than the rate says.
    """

    started: float
    rate: float
    episode: int
    waited: bool
    number: int
    is_hurried: bool


class Duration:
    """How long something takes, from how long it took lately (RFC 6298)."""

    _LEAST_BEYOND_S = 0.005

    def __init__(self) -> None:
        self.mean_s = self._deviation_s = math.inf

    def add(self, seconds: float) -> None:
        """It took so long."""
        if self.mean_s == math.inf:
            self.mean_s, self._deviation_s = seconds, seconds / 2
            return
        self._deviation_s += 0.25 * (abs(seconds - self.mean_s) - self._deviation_s)
        self.mean_s += 0.125 * (seconds - self.mean_s)

    @property
    def longest_s(self) -> float:
        """As long as it takes at most, usually; infinite before it was seen."""
        return self.mean_s + max(self._LEAST_BEYOND_S, 4 * self._deviation_s)


@dataclass(slots=True)
class Refusals:
    """What became of the calls that were sent to a full endpoint: from the first one refused until the cut."""

    since: float
    until: float
    num_sent: int
    num_open: int
    """Calls in flight when the rate was cut, those sent before `since` included."""
    num_refused: int = 0
    num_answered: int = 0

    def rate(self, share_answered: float) -> float | None:
        """How many of them a second were let through, which is the limit; None where too few tell."""
        if self.num_sent < ENOUGH or self.num_refused < 0.25 * self.num_sent or self.until <= self.since:
            return None
        return max(1.0, self.num_answered / share_answered) / (self.until - self.since)


def count_between(times: deque[float], since: float, until: float) -> int:
    """How many of the times lie after `since`, up to `until`; forgets those before."""
    while times and times[0] <= since:
        times.popleft()
    return sum(when <= until for when in times)


def rate_before(now: float, times: deque[float]) -> float:
    """How many of the times there were a second, in the last one before `now`; infinite where too few tell."""
    recent = [when for when in times if now - 1.0 <= when <= now]
    span_s = now - recent[0] if recent else 0.0
    return len(recent) / span_s if len(recent) >= ENOUGH and span_s > 0.5 else math.inf
