"""How endpoints count what they let through: three ways that are found in the wild."""

import math
from collections import deque
from typing import Protocol


class Limiter(Protocol):
    """Lets amounts through, so many a second."""

    limit: float
    """The most it lets through at once."""

    def take(self, amount: float, now: float) -> bool:
        """Whether `amount` fits now; takes it if so."""

    def remaining(self, now: float) -> float:
        """What would fit now."""

    def reset_s(self, now: float) -> float:
        """Seconds until all of the limit is free, if nothing comes."""

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until `amount` fits, if nothing comes."""


class Bucket:
    """A bucket of tokens that refills evenly."""

    def __init__(self, rate: float, burst_s: float) -> None:
        self.rate = rate
        self.limit = max(1.0, rate * burst_s)
        self._level = self.limit
        self._at: float | None = None

    def remaining(self, now: float) -> float:
        if self._at is not None:
            self._level = min(self.limit, self._level + (now - self._at) * self.rate)
        self._at = now
        return self._level

    def take(self, amount: float, now: float) -> bool:
        if self.remaining(now) < min(amount, self.limit):
            return False
        self._level -= amount
        return True

    def reset_s(self, now: float) -> float:
        return (self.limit - self.remaining(now)) / self.rate

    def wait_s(self, amount: float, now: float) -> float:
        return max(0.0, min(amount, self.limit) - self.remaining(now)) / self.rate


class Window:
    """At most the limit in any stretch of `burst_s` seconds."""

    def __init__(self, rate: float, burst_s: float) -> None:
        self.limit = max(1.0, rate * burst_s)
        self._length_s = burst_s
        self._taken: deque[tuple[float, float]] = deque()
        self._sum = 0.0

    def remaining(self, now: float) -> float:
        while self._taken and self._taken[0][0] <= now - self._length_s:
            self._sum -= self._taken.popleft()[1]
        return self.limit - self._sum

    def take(self, amount: float, now: float) -> bool:
        if self.remaining(now) < min(amount, self.limit):
            return False
        self._taken.append((now, amount))
        self._sum += amount
        return True

    def reset_s(self, now: float) -> float:
        self.remaining(now)
        return self._taken[-1][0] + self._length_s - now if self._taken else 0.0

    def wait_s(self, amount: float, now: float) -> float:
        missing = min(amount, self.limit) - self.remaining(now)
        for when, taken in self._taken:
            if missing <= 0:
                break
            missing -= taken
            if missing <= 0:
                return when + self._length_s - now
        return 0.0


class Fixed:
    """At most the limit in each stretch of `burst_s` seconds, counted from the first call."""

    def __init__(self, rate: float, burst_s: float) -> None:
        self.limit = max(1.0, rate * burst_s)
        self._length_s = burst_s
        self._began = -math.inf
        self._taken = 0.0

    def remaining(self, now: float) -> float:
        if now >= self._began + self._length_s:
            # The next stretch begins where the last one ended, unless nothing came for a whole one.
            ended = self._began + self._length_s
            self._began = ended if now < ended + self._length_s else now
            self._taken = 0.0
        return self.limit - self._taken

    def take(self, amount: float, now: float) -> bool:
        if self.remaining(now) < min(amount, self.limit):
            return False
        self._taken += amount
        return True

    def reset_s(self, now: float) -> float:
        self.remaining(now)
        return self._began + self._length_s - now

    def wait_s(self, amount: float, now: float) -> float:
        return 0.0 if self.remaining(now) >= amount else self.reset_s(now)


def make_limiter(kind: str, rate: float, burst_s: float) -> Limiter:
    """A limiter by the name of its kind."""
    kinds: dict[str, type[Bucket | Window | Fixed]] = {"bucket": Bucket, "window": Window, "fixed": Fixed}
    return kinds[kind](rate, burst_s)
