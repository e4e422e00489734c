"""Calls that were let through at a rate, and what became of those that were sent to a full endpoint."""

from collections import deque
from dataclasses import dataclass

ENOUGH = 8
"""Calls that tell a rate."""


@dataclass(slots=True, eq=False)
class Call:
    """A call that was let through: when, at what rate, in which episode, and whether it had to wait for its turn."""

    started: float
    rate: float
    episode: int
    waited: bool


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
