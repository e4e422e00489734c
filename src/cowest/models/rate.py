"""How many calls a second an endpoint takes: found by trying where it is not known, cut where it refuses.

Pure arithmetic over times that the caller gives: no clock, no sleep, no event loop.
"""

import math
from collections import deque

from cowest.models.pace import Pace
from cowest.models.refusals import Call, Refusals, count_between, rate_before

FIRST_RATE = 20.0
"""Calls a second at first."""
BLIND_CUT = 0.8
"""What is left of a rate that may be far above the limit."""
GROWTH = 0.3
"""How much of itself the rate grows by in a round trip before a limit was met."""
LEAST_LEFT = 0.4
"""What is left at least of a rate when the limit is first estimated, besides the cut."""
SEARCH_PER_S = 0.15
"""Growth a second while the limit is only roughly known."""
FASTEST_SEARCH = 0.05
"""Growth with one success at most, for endpoints of less than a few calls a second."""
CUT = 0.98
"""What a refusal leaves of a rate that is about the limit."""
FAR_CUT = 0.3
"""What a refusal takes of the difference to the rate at which calls were let through."""
REFUSED_SHARE = 0.006
"""Refusals a success that staying at the limit may cost."""
FIRST_PAUSE_S = 0.5
LONGER = 1.4
"""Times the last pause: that much too late an opening is noticed at most."""
LONGEST_PAUSE_S = 60.0
_LONGEST_DRAIN_S = 1.0
_CLOSED_AFTER = 4
_LEAST_SHARE_ANSWERED = 0.5


class AdaptiveRate:
    """The rate of one endpoint: grows while calls succeed, and is cut where they are refused.

    Before a limit was met the rate grows with every success, by up to 0.3 in a round trip. The first refusal cuts it
    and lets the calls in flight end: how many of them are let through is a first estimate of the limit. From there the
    rate grows until it is refused again, which is the limit. From then on each refusal takes a little of the rate, down
    to what was let through in the second before, and each success adds so much that `REFUSED_SHARE` refusals a success
    are in balance. The refusal of a call that was hurried is about the pace (`pace.py`), not about the rate.

    Failures of other kinds say nothing about the limit. Nor do successes of calls that did not have to wait.

    A refusal that says how long to wait says so for its own call; the others go on. Where nothing but refusals comes,
    the endpoint is closed: nothing is sent for as long as they say, then one call at a time after ever longer pauses.
    What it let through from one opening to the next is then the limit.

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
        self._num_since_cut = 0
        self._latency_s: float | None = None
        self._pace = Pace(is_told=most is not None)
        self._paused_until = 0.0
        self._draining_until = 0.0
        self._episode = 0
        self._cut_at = -math.inf
        self._refusals = Refusals(0, 0, 0, 0)
        self._in_flight: set[Call] = set()
        # When calls of the last second or so were sent, and when those of them that were refused.
        self._sent: deque[float] = deque(maxlen=4096)
        self._refused: deque[float] = deque(maxlen=4096)
        self._num_answered = self._num_failed = 0
        self._before_cuts = self.rate
        self._in_row: list[float] = []
        self._closed_at: float | None = None
        self._opened_at = 0.0
        self._num_before_opening = 0
        self._num_fruitless = 0
        self._refused_since: float | None = None

    def wait_s(self, now: float) -> float:
        """Seconds until the next call may start; a reply may shorten them."""
        return max(0.0, max(self._pace.next_at(self.rate), self._paused_until, self._draining_until) - now)

    def is_limited(self, now: float) -> bool:
        """Whether calls that wait do so because of a limit that is known or was met."""
        return self.limit is not None or self._paused_until > now

    def refused_for_s(self, now: float) -> float:
        """Seconds since the first of the refusals that no success has interrupted."""
        return 0.0 if self._refused_since is None else now - self._refused_since

    def start(self, now: float, waited: bool) -> Call:
        """Lets a call through."""
        if self._num_fruitless > 1:
            self._paused_until = max(self._paused_until, now + self._pause_s)
        call = self._pace.start(now, self.rate, self._episode, waited)
        self._in_flight.add(call)
        self._sent.append(now)
        return call

    def succeeded(self, call: Call, now: float) -> None:
        """A call was answered."""
        latency_s = now - call.started
        self._latency_s = latency_s if self._latency_s is None else 0.8 * self._latency_s + 0.2 * latency_s
        self._num_answered += 1
        self._pace.answered(call)
        self._refusals.num_answered += call.started >= self._refusals.since
        self._refused_since = None
        # A call that was sent before a closed endpoint's refusals does not show that it is open again.
        is_after = not self._in_row or call.started > self._in_row[0]
        if is_after or self._closed_at is None:
            self._open(now)
        if is_after:
            self._in_row.clear()
        self._end(call)
        if call.waited and call.episode == self._episode:
            self._grow(latency_s)

    def refused(self, call: Call, now: float, retry_after_s: float | None = None) -> None:
        """A call was refused because of a limit."""
        if self._refused_since is None:
            self._refused_since = call.started
        self._refused.append(call.started)
        self._in_row.append(call.started)
        self._close_if_all_are_refused(now, retry_after_s or 0.0)
        is_about_pace = self._pace.refused(call, now) and self._is_sure
        # An episode lasts at least a round trip: earlier than that no success can show the effect of the cut.
        round_trip_s = min(self._latency_s or 0.0, _LONGEST_DRAIN_S)
        if self._is_sure and self._num_fruitless <= 1:
            if not is_about_pace:
                self._ease(call)
        elif call.episode == self._episode and now - self._cut_at >= round_trip_s:
            self._cut(call, now)
        self._refusals.num_refused += call.started >= self._refusals.since
        self._end(call)

    def failed(self, call: Call) -> None:
        """A call ended in another way."""
        self._num_failed += 1
        self._pace.failed(call)
        self._end(call)

    def pause(self, now: float, seconds: float) -> None:
        """Lets no call through for `seconds`, because the endpoint says that it takes none."""
        self._paused_until = max(self._paused_until, now + seconds)

    @property
    def _pause_s(self) -> float:
        return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * LONGER ** min(self._num_fruitless - 2, 32)))

    @property
    def _num_through(self) -> int:
        return self._num_answered + self._num_failed

    def _grow(self, latency_s: float) -> None:
        self._num_since_cut += 1
        self._before_cuts = self.rate
        if self.limit is None:
            self.rate += GROWTH / max(latency_s, 1e-4)
        elif not self._is_sure:
            # One success stands for 1 / rate seconds.
            self.rate += min(SEARCH_PER_S, FASTEST_SEARCH * self.rate)
        else:
            # A limit that has moved up is followed ever faster.
            speedup = max(1.0, REFUSED_SHARE * self._num_since_cut / 2) ** 2
            growth = speedup * REFUSED_SHARE * (1 - CUT)
            self.rate *= 1 + min(growth, SEARCH_PER_S / self.rate, FASTEST_SEARCH)
        if self._most is not None:
            self.rate = min(self.rate, self._most)

    def _ease(self, call: Call) -> None:
        """Takes a little of a rate that is about the limit, down to what was let through just before."""
        self._num_since_cut = 0
        span_s = max(1.0, 20 / self.rate)
        num_sent, num_refused = (count_between(times, self._in_row[0] - span_s, self._in_row[0])
                                 for times in (self._sent, self._refused))  # fmt: skip
        through = (num_sent / self._pace.calls_a_place - num_refused) / span_s
        far_above = FAR_CUT * (self.rate - through)
        self.rate = max(self.rate - max((1 - CUT) * self.rate, far_above), min(self.rate, CUT * through))
        self.limit = self.rate
        self._is_sure = self.rate > 0.85 * self._before_cuts

    def _cut(self, call: Call, now: float) -> None:
        self._episode += 1
        self._num_fruitless += 1
        self._cut_at = now
        if self._num_fruitless > 1:
            # Nothing was let through since the last cut: only time helps.
            self._paused_until = max(self._paused_until, now + self._pause_s)
            return
        num_sent = sum(other.started >= call.started for other in self._in_flight)
        self._refusals = Refusals(call.started, now, num_sent, len(self._in_flight))
        if self.limit is None:
            # How far above is not known: what is in flight will tell, and nothing is sent meanwhile.
            self._draining_until = now + min(_LONGEST_DRAIN_S, 2 * (self._latency_s or _LONGEST_DRAIN_S))
            self.rate = min(BLIND_CUT * call.rate, rate_before(call.started, self._sent))
        else:
            self.rate = CUT * call.rate
            self._is_sure = True
        self._num_since_cut = 0
        self.limit = call.rate

    def _close_if_all_are_refused(self, now: float, retry_after_s: float) -> None:
        if len(self._in_row) < _CLOSED_AFTER:
            return
        # Whole seconds are rounded up, so that up to one of them is too long.
        told_s = max(0.0, retry_after_s - 1.0)
        others_would_have_been_answered = now - self._in_row[0] > 1.5 * (self._latency_s or math.inf) + 0.1
        if told_s >= 1.0 or others_would_have_been_answered:
            if self._closed_at is None:
                self._closed_at = now
                self._num_fruitless = max(2, self._num_fruitless)
            self._paused_until = max(self._paused_until, now + told_s)

    def _open(self, now: float) -> None:
        if self._num_fruitless > 1:
            self._paused_until = now
        self._num_fruitless = 0
        if self._closed_at is not None and now - self._closed_at > 1.0:
            num = self._num_through - self._num_before_opening
            self.rate = min(self.rate, max(LEAST_LEFT * self.rate, num / (now - self._opened_at)))
            self.limit, self._is_sure = self.rate, True
            self._opened_at, self._num_before_opening = now, self._num_through
        self._closed_at = None

    def _end(self, call: Call) -> None:
        self._in_flight.discard(call)
        refusals = self._refusals
        if call.episode == self._episode or not refusals.num_open:
            return
        refusals.num_open -= 1
        if refusals.num_open:
            return
        self._draining_until = 0.0
        share = self._num_answered / max(1, self._num_through)
        found = refusals.rate(max(_LEAST_SHARE_ANSWERED, share))
        if self._closed_at is None and found is not None and found < self.rate and not self._is_sure:
            # Far above the limit, so that the rate of the refused call says little about it.
            # Not all at once: an endpoint that counts by the second refuses everything at the end of one.
            self.rate = max(CUT * found, LEAST_LEFT * self.rate)
            self.limit = self.rate
