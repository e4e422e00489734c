"""How many calls a second an endpoint takes: found by trying where it is not known, cut where it refuses.

Pure arithmetic over times that the caller gives: no clock, no sleep, no event loop.
"""

import math
from collections import deque
from dataclasses import dataclass

FIRST_RATE = 8.0
"""Calls a second at first: low, so that a wrong key costs few calls."""
BLIND_CUT = 0.8
"""What is left of a rate that may be far above the limit."""
GROWTH = 0.7
"""How much of itself the rate grows by in a round trip before a limit was met."""
LEAST_LEFT = 0.4
"""What is left at least of a rate in one episode, besides the cut."""
SEARCH_PER_S = 0.10
"""Growth a second while the limit is only roughly known."""
FASTEST_SEARCH = 0.05
"""Growth with one success at most, for endpoints of less than a few calls a second."""
CUT, CUT_AGAIN = 0.99, 0.95
"""What is left of a rate that was just above the limit, and of one that was cut a moment ago."""
REFUSED_SHARE = 0.005
"""Refusals a success that staying at the limit may cost."""
PAUSED_SHARE = 0.01
"""Share of the time that the waits which refusals ask for may cost."""
LONGEST_PAUSE_S = 60.0
_LONGEST_DRAIN_S = 1.0
_ENOUGH = 8
_MOST_BEHIND_S = 0.05


@dataclass(slots=True, eq=False)
class Call:
    """A call that was let through: when, at what rate, in which episode, and whether it had to wait for its turn."""

    started: float
    rate: float
    episode: int
    waited: bool


@dataclass(slots=True)
class _Refusals:
    """What became of the calls that were sent to a full endpoint: from the first one refused until the cut."""

    since: float
    until: float
    num_sent: int
    num_open: int
    """Calls in flight when the rate was cut, those sent before `since` included."""
    num_refused: int = 0

    def rate(self) -> float | None:
        """How many of them a second were let through, which is the limit; None where too few tell."""
        if self.num_sent < _ENOUGH or self.num_refused < 0.25 * self.num_sent or self.until <= self.since:
            return None
        return max(1.0, self.num_sent - self.num_refused) / (self.until - self.since)


class AdaptiveRate:
    """The rate of one endpoint: grows while calls succeed, is cut once in each episode of refusals.

    Before a limit was met the rate grows with every success, by up to 0.7 in a round trip. A refusal begins an episode:
    the rate is cut once. Refusals of calls sent before the cut cut nothing; they tell how far above the limit it was.
    Then the rate grows steadily until it is refused again, which is the limit. From then on the growth after each
    success balances the cuts at `REFUSED_SHARE` refusals a success, or fewer where each refusal costs a wait.

    Failures of other kinds say nothing about the limit and change nothing. Nor do successes of calls that did not have
    to wait, since then something other than the rate holds the calls back.

    Where a refusal says how long to wait, nothing is sent before. Where nothing but refusals comes, one call at a time
    is sent after ever longer pauses.

    Args:
        most: a known limit in calls a second, which the rate begins at and never exceeds.

    Attributes:
        rate: calls a second now.
        limit: the limit as far as it is known; None before one was met.
    """

    def __init__(self, most: float | None = None) -> None:
        self.rate = FIRST_RATE if most is None else most
        self.limit = most
        self._most = most
        self._is_sure = most is not None
        self._num_since_cut = self._num_again = 0
        self._retry_after_s = 0.0
        self._refused_per_episode = 1.0
        self._mean_cut = 1 - CUT
        self._recent: deque[float] = deque(maxlen=4096)
        self._latency_s: float | None = None
        self._next = 0.0
        self._paused_until = 0.0
        self._draining_until = 0.0
        self._episode = 0
        self._cut_at = -math.inf
        self._refusals = _Refusals(0, 0, 0, 0)
        self._in_flight: set[Call] = set()
        self._num_fruitless = 0
        self._refused_since: float | None = None

    def wait_s(self, now: float) -> float:
        """Seconds until the next call may start; a reply may shorten them."""
        return max(0.0, max(self._next, self._paused_until, self._draining_until) - now)

    def is_limited(self, now: float) -> bool:
        """Whether calls that wait do so because of a limit that is known or was met."""
        return self.limit is not None or self._paused_until > now

    def refused_for_s(self, now: float) -> float:
        """Seconds since the first of the refusals that no success has interrupted."""
        return 0.0 if self._refused_since is None else now - self._refused_since

    def start(self, now: float, waited: bool) -> Call:
        """Lets a call through."""
        # A little lateness is made up for, so that the average is kept; more would be a burst.
        self._next = max(self._next, now - _MOST_BEHIND_S if waited else now) + 1 / self.rate
        if self._num_fruitless > 1:
            self._paused_until = max(self._paused_until, now + self._pause_s)
        call = Call(now, self.rate, self._episode, waited)
        self._in_flight.add(call)
        if not self._is_sure:
            self._recent.append(now)
        return call

    def succeeded(self, call: Call, now: float) -> None:
        """A call was answered."""
        latency_s = now - call.started
        self._latency_s = latency_s if self._latency_s is None else 0.8 * self._latency_s + 0.2 * latency_s
        if self._num_fruitless > 1:
            self._paused_until = now
        self._num_fruitless = 0
        self._refused_since = None
        self._end(call)
        if call.waited and call.episode == self._episode:
            self._grow(latency_s)

    def refused(self, call: Call, now: float, retry_after_s: float | None = None) -> None:
        """A call was refused because of a limit."""
        if self._refused_since is None:
            self._refused_since = call.started
        # An episode lasts at least a round trip: earlier than that no success can show the effect of the cut.
        if call.episode == self._episode and now - self._cut_at >= min(self._latency_s or 0.0, _LONGEST_DRAIN_S):
            self._cut(call, now)
        if call.started >= self._refusals.since:
            self._refusals.num_refused += 1
        self._end(call)
        if retry_after_s is not None:
            self._paused_until = max(self._paused_until, now + retry_after_s)
            self._retry_after_s = retry_after_s

    def failed(self, call: Call) -> None:
        """A call ended in another way."""
        self._end(call)

    def pause(self, now: float, seconds: float) -> None:
        """Lets no call through for `seconds`, because the endpoint says that it takes none."""
        self._paused_until = max(self._paused_until, now + seconds)

    @property
    def _pause_s(self) -> float:
        return float(min(LONGEST_PAUSE_S, 0.5 * 2.0 ** min(self._num_fruitless - 2, 16)))

    def _grow(self, latency_s: float) -> None:
        self._num_since_cut += 1
        if self.limit is None:
            self.rate += GROWTH / max(latency_s, 1e-4)
        elif not self._is_sure:
            # One success stands for 1 / rate seconds.
            self.rate += min(SEARCH_PER_S, FASTEST_SEARCH * self.rate)
        else:
            affordable = PAUSED_SHARE / (self._retry_after_s * self.rate) if self._retry_after_s else REFUSED_SHARE
            share = min(REFUSED_SHARE, affordable) / self._refused_per_episode
            # A limit that has moved up is followed ever faster.
            speedup = max(1.0, share * self._num_since_cut / 4) ** 2
            self.rate *= 1 + min(speedup * share * self._mean_cut, SEARCH_PER_S / self.rate, FASTEST_SEARCH)
        if self._most is not None:
            self.rate = min(self.rate, self._most)

    def _cut(self, call: Call, now: float) -> None:
        self._episode += 1
        self._num_fruitless += 1
        is_soon = now - self._cut_at < max(1.0, 3 * (self._latency_s or 0.0))
        self._cut_at = now
        if self._num_fruitless > 1:
            # Nothing was let through since the last cut: only time helps.
            self._paused_until = max(self._paused_until, now + self._pause_s)
            return
        if self._is_sure and self._refusals.num_refused:
            self._refused_per_episode += 0.3 * (self._refusals.num_refused - self._refused_per_episode)
        num_sent = sum(other.started >= call.started for other in self._in_flight)
        self._refusals = _Refusals(call.started, now, num_sent, len(self._in_flight))
        if self.limit is None or (is_soon and not self._is_sure):
            # How far above is not known: what is in flight will tell, and nothing is sent meanwhile.
            self._draining_until = now + min(_LONGEST_DRAIN_S, 2 * (self._latency_s or _LONGEST_DRAIN_S))
            self._is_sure = False
            self.rate = min(BLIND_CUT * call.rate, self._recent_rate(call.started))
        else:
            # Few successes between cuts: many cuts lie between this rate and the limit, so they are made deeper.
            self._num_again = self._num_again + 1 if self._num_since_cut < _ENOUGH else 0
            deeper = max(BLIND_CUT, CUT_AGAIN ** max(1, self._num_again))
            left = deeper if is_soon or self._num_again else CUT
            self._mean_cut += 0.2 * (1 - left - self._mean_cut)
            self.rate = left * call.rate
            self._is_sure = self._num_again < 4
            self._recent.clear()
        self._num_since_cut = 0
        self.limit = call.rate

    def _recent_rate(self, now: float) -> float:
        """Calls of the last second before `now`; infinite where they are too few to tell."""
        while self._recent and self._recent[0] < now - 1.0:
            self._recent.popleft()
        span_s = now - self._recent[0] if self._recent else 0.0
        return len(self._recent) / span_s if len(self._recent) >= _ENOUGH and span_s > 0.5 else math.inf

    def _end(self, call: Call) -> None:
        self._in_flight.discard(call)
        refusals = self._refusals
        if call.episode == self._episode or not refusals.num_open:
            return
        refusals.num_open -= 1
        if refusals.num_open:
            return
        self._draining_until = 0.0
        found = refusals.rate()
        if found is not None and found < self.rate:
            # Far above the limit, so that the rate of the refused call says little about it.
            # Not all at once: an endpoint that counts by the second refuses everything at the end of one.
            self.rate = max(CUT * found, LEAST_LEFT * self.rate)
            self.limit, self._is_sure = self.rate, False
