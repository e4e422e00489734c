"""When the next call may start at a given rate: evenly, or a little sooner in place of one that failed.

Pure arithmetic over times that the caller gives: no clock, no sleep, no event loop.
"""

from collections import deque

from cowest.models.refusals import Call, Duration

SPAN_S = 1.0
"""Calls of so many seconds are counted together."""
MOST_HURRY = 0.2
"""How much of the time between two calls may be left out."""
REPLACED = 0.25
"""Failed calls to an answered one that are replaced at most, so that an endpoint that is down is not called more."""
MOST_SLOWDOWN = 8.0
_MOST_REPLACED_AT_ONCE = 8.0
_HURRIED = 0.98
_MOST_BEHIND_S = 0.05
_LEAST_BEHIND_S = 0.005
_LEAST_HURRY = 0.005
_NEWS = 0.02
_FEW = 0.005
_MUCH_MORE = 2.0
_LONG_RUN_S = 0.015


class Pace:
    """Spaces calls.

    A second holds as many calls as the rate allows; those that failed in another way than by the limit are not counted,
    since most endpoints do not count them either. A call that takes the place of one is sent sooner than the even pace
    would have it, by `hurry` at most. Where an endpoint refuses such calls much more often than others, it takes no
    bursts, and the hurry shrinks; answered ones let it grow.

    While calls are refused one after the other, each doubles the time to the next one, until one is answered again, or
    has been in flight for longer than a refusal takes.

    Args:
        is_told: whether the rate is a known limit. Then the pace is even and every call is counted.
    """

    def __init__(self, *, is_told: bool) -> None:
        self._is_told = is_told
        self._hurry = 0.0 if is_told else MOST_HURRY
        self._next = 0.0
        self._counted: deque[Call] = deque()
        self._num_started = 0
        self._to_replace = self._share_replaced = 0.0
        self._hurried_refused = self._others_refused = 0.0
        self._last_refused = -1
        self._run_since = 0.0
        self._slowdown = 1.0
        self._first_after_refused: Call | None = None
        self._refusal_takes = Duration()

    @property
    def calls_a_place(self) -> float:
        """Calls that are sent for one that is counted, on average."""
        return 1 + self._share_replaced

    def next_at(self, rate: float) -> float:
        """When the next call may start."""
        num = _num_in_span(rate)
        if self._is_told or len(self._counted) < num:
            return self._next
        return max(self._next, self._counted[-num].started + num / rate)

    def start(self, now: float, rate: float, episode: int, waited: bool) -> Call:
        """A call starts."""
        gap_s, behind_s = 1 / rate, _MOST_BEHIND_S
        is_hurried = False
        if not self._is_told:
            behind_s = min(_MOST_BEHIND_S, max(_LEAST_BEHIND_S, 2 * self._hurry * gap_s))
            is_hurried = waited and bool(self._counted) and now - self._counted[-1].started < _HURRIED * gap_s
        since_refused = self._first_after_refused
        if since_refused is not None and now - since_refused.started > self._refusal_takes.longest_s:
            # Not all at once: it may be about to fail in another way, which no refusal would precede.
            self._slowdown = max(1.0, self._slowdown / 4)
            since_refused = None
        # A little lateness is made up for, so that the average is kept; more would be a burst.
        since = max(self._next, now - behind_s if waited else now)
        self._next = since + (1 - self._hurry) * self._slowdown * gap_s
        call = Call(now, rate, episode, waited, self._num_started, is_hurried)
        self._num_started += 1
        self._first_after_refused = since_refused or call
        if not self._is_told:
            self._counted.append(call)
            while len(self._counted) > 4 * _num_in_span(rate):
                self._counted.popleft()
        return call

    def answered(self, call: Call) -> None:
        """The call was answered."""
        self._share_replaced *= 0.99
        self._to_replace = min(_MOST_REPLACED_AT_ONCE, self._to_replace + REPLACED)
        if call.is_hurried:
            self._hurry = min(MOST_HURRY, 1.005 * self._hurry)
            self._hurried_refused *= 1 - _NEWS
        else:
            self._others_refused *= 1 - _NEWS
        if call.number > self._last_refused:
            self._slowdown = 1.0

    def refused(self, call: Call, now: float) -> bool:
        """The call was refused; returns whether that is because it was hurried, and says nothing about the rate."""
        self._refusal_takes.add(now - call.started)
        if self._first_after_refused is not None and self._first_after_refused.number <= call.number:
            self._first_after_refused = None
        if call.number != self._last_refused + 1 and self._slowdown == 1:
            self._run_since = call.started
        elif call.started - self._run_since >= _LONG_RUN_S:
            self._slowdown = min(MOST_SLOWDOWN, 2 * self._slowdown)
        self._last_refused = max(self._last_refused, call.number)
        if not call.is_hurried:
            self._others_refused += _NEWS * (1 - self._others_refused)
            return False
        self._hurried_refused += _NEWS * (1 - self._hurried_refused)
        many = _MUCH_MORE * max(_FEW, self._others_refused)
        if self._hurry < _LEAST_HURRY or self._hurried_refused < many:
            return False
        self._hurry /= 2
        return True

    def failed(self, call: Call) -> None:
        """The call ended in another way."""
        if call is self._first_after_refused:
            self._first_after_refused = None
        if self._to_replace >= 1 and not self._is_told:
            self._to_replace -= 1
            self._share_replaced += 0.01
            if call in self._counted:
                self._counted.remove(call)


def _num_in_span(rate: float) -> int:
    return max(1, round(rate * SPAN_S))
