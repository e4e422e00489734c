"""Whether one of several endpoints is left out: after failures, or where others are much faster; and its way back.

Pure arithmetic over times that the caller gives: no clock, no sleep, no event loop.
"""

import math
from dataclasses import dataclass

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
FAILURES = 3
"""Failures in a row after which an endpoint is left out, where one alone does not say that it is down."""
MUCH_SLOWER = 8.0
"""Times as long as at the fastest other endpoint, for a reply that is slow."""
LEAST_SLOW_S = 5.0
"""No reply is slow that takes less."""
ENOUGH = 5
"""Answers that tell how long an endpoint takes."""


@dataclass(slots=True, eq=False)
class Attempt:
    """A call to an endpoint.

    Attributes:
        is_trial: whether it is the one that tries an endpoint which was left out.
        started: when it was sent; None while it waits.
    """

    is_trial: bool
    chosen: float
    started: float | None = None


class Circuit:
    """The state of one endpoint.

    An endpoint that is left out gets no calls for a pause, which doubles each time up to `LONGEST_PAUSE_S`. Then one
    real call tries it: if that is answered, it is back.

    Attributes:
        until: when it may be tried again.
        latency_s: how long an answer takes, averaged; None where too few tell.
    """

    def __init__(self) -> None:
        self.until = -math.inf
        self._is_out = self._is_tried = False
        self._left_out_at = -math.inf
        self._num_pauses = self._num_failed = self._num_answered = 0
        self._latency_s = 0.0
        self._answered_at = -math.inf
        self._sent: dict[Attempt, float] = {}

    @property
    def is_out(self) -> bool:
        """Whether it is left out, or tried."""
        return self._is_out

    @property
    def latency_s(self) -> float | None:
        """See the class."""
        return self._latency_s if self._num_answered >= ENOUGH else None

    @property
    def num_sent(self) -> int:
        """Calls that are sent and not answered yet."""
        return len(self._sent)

    def is_too_late(self, attempt: Attempt) -> bool:
        """Whether it was left out while the call waited for its turn."""
        return self._is_out and not attempt.is_trial and attempt.chosen < self._left_out_at

    def takes(self, now: float) -> bool:
        """Whether it may get a call: it is not left out, or may be tried."""
        return not self._is_out or (now >= self.until and not self._is_tried)

    def begin(self, now: float) -> Attempt:
        """It gets a call."""
        is_trial = self._is_out and self.takes(now)
        self._is_tried |= is_trial
        return Attempt(is_trial, now)

    def sent(self, attempt: Attempt, now: float) -> None:
        """The call has had its turn and is sent."""
        attempt.started = self._sent[attempt] = now

    def answered(self, attempt: Attempt, now: float, others_s: float | None) -> None:
        """The call was answered.

        Args:
            others_s: how long the fastest other endpoint takes; None where that is not known.
        """
        took_s = now - (attempt.chosen if attempt.started is None else attempt.started)
        self._end(attempt)
        self._answered_at, self._num_failed = now, 0
        is_slow = took_s > _slow_s(others_s)
        if attempt.is_trial or (self._is_out and attempt.chosen >= self._left_out_at and not is_slow):
            if is_slow:
                self._leave_out(now)
                return
            self._is_out = False
            self._num_pauses = self._num_answered = 0
        self._num_answered += 1
        self._latency_s = took_s if self._num_answered == 1 else 0.8 * self._latency_s + 0.2 * took_s
        if not self._is_out and self._num_answered >= ENOUGH and self._latency_s > _slow_s(others_s):
            self._leave_out(now)

    def failed(self, attempt: Attempt, now: float, *, is_certain: bool = False) -> None:
        """The call failed in a way that is the endpoint's.

        Args:
            is_certain: whether this alone says that it is down, such as a refused connection.
        """
        self._end(attempt)
        self._num_failed += 1
        if self._is_out:
            says_so = attempt.is_trial or attempt.chosen >= self.until
        else:
            says_so = is_certain or self._num_failed >= FAILURES
        if says_so:
            self._leave_out(now)

    def ended(self, attempt: Attempt) -> None:
        """The call ended in a way that says nothing of the endpoint."""
        self._end(attempt)

    def leave_out_if_silent(self, now: float, others_s: float | None) -> None:
        """Leaves it out where it has answered nothing for much longer than an answer takes elsewhere."""
        if not self._is_out and self._sent and others_s is not None:
            waited_since = max(self._answered_at, next(iter(self._sent.values())))
            if now - waited_since > 2 * _slow_s(others_s):
                self._leave_out(now)

    def _leave_out(self, now: float) -> None:
        self._num_pauses += 1
        self.until = now + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._num_pauses - 1, 16))
        self._is_out, self._left_out_at = True, now
        self._num_failed = self._num_answered = 0

    def _end(self, attempt: Attempt) -> None:
        self._sent.pop(attempt, None)
        if attempt.is_trial:
            self._is_tried = False


def _slow_s(others_s: float | None) -> float:
    return math.inf if others_s is None else max(LEAST_SLOW_S, MUCH_SLOWER * others_s)
