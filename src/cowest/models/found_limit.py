"""How many calls an endpoint takes at once, found by whether more of them in flight bring more answers a second.

Pure arithmetic over times that the caller gives: no clock, no sleep, no event loop.
"""

from collections import deque

FIRST = 64
"""Calls in flight at first."""
LEAST = 8
MOST = 8192
ENOUGH = 32
"""Answers that tell how many there are a second."""
MORE_IN_FLIGHT = 1.5
MORE_ANSWERS = 1.2
"""So many times as many answers a second are expected at least of `MORE_IN_FLIGHT` times as many calls in flight."""
FEW_FAILURES = 3
"""Calls without an answer in a window that say nothing, and neither does one of ten."""
FIRST_PATIENCE = 4
LONGEST_PATIENCE = 64


class FoundLimit:
    """The most calls in flight at one endpoint.

    While calls wait for nothing else, each answer lets one more into flight, which doubles them in a round trip. The
    answers are counted in windows of about a round trip. Where two windows in a row show that half as many calls again
    brought hardly more answers a second, the endpoint makes them wait: the limit goes back to the least number that
    brought about as much, and stays for some windows, for longer each time. Many calls without an answer in a
    window halve it.

    Args:
        most: calls that are in flight in any case.
        first: calls in flight at first.

    Attributes:
        limit: calls in flight now.
    """

    def __init__(self, most: int = MOST, first: int = FIRST) -> None:
        self.limit = min(first, most)
        self._most = most
        self._windows: deque[tuple[int, float]] = deque(maxlen=32)
        self._hold = self._num_fruitless = self._num_answered = self._num_failed = 0
        self._patience = FIRST_PATIENCE
        self._since: float | None = None
        self._size = ENOUGH
        self._was_full = self._has_failed = False

    def answered(self, now: float, num_in_flight: int, *, is_full: bool) -> None:
        """A call was answered.

        Args:
            num_in_flight: this one included.
            is_full: whether calls wait for this limit, and for no other.
        """
        if self._since is None:
            self._since = now
            return
        self._num_answered += 1
        self._was_full |= is_full
        if is_full and not self._hold and not self._num_fruitless:
            self.limit = min(self._most, self.limit + 1)
        if self._num_answered >= self._size and now > self._since:
            self._end_window(now - self._since, now, num_in_flight)

    def failed(self, num_in_flight: int) -> None:
        """A call got no answer in time, or the endpoint was not able to give one."""
        self._num_failed += 1
        if not self._has_failed and self._num_failed > max(FEW_FAILURES, self._num_answered / 10):
            self._has_failed = True
            self._shrink(min(self.limit, num_in_flight) // 2)

    def _end_window(self, span_s: float, now: float, num_in_flight: int) -> None:
        per_s = self._num_answered / span_s
        before = [window for window in self._windows if window[0] * MORE_IN_FLIGHT <= num_in_flight]
        is_fruitless = bool(before) and self._was_full and per_s < MORE_ANSWERS * before[-1][1]
        self._num_fruitless = self._num_fruitless + 1 if is_fruitless else 0
        self._hold = max(0, self._hold - 1)
        if self._num_fruitless >= 2:
            self._shrink(min(level for level, as_many in before if MORE_ANSWERS * as_many >= per_s))
        else:
            self._windows.append((num_in_flight, per_s))
        self._since, self._size = now, max(ENOUGH, num_in_flight)
        self._num_answered = self._num_failed = 0
        self._was_full = self._has_failed = False

    def _shrink(self, limit: int) -> None:
        self.limit = max(min(LEAST, self._most), limit)
        self._hold = self._patience
        self._patience = min(LONGEST_PATIENCE, 2 * self._patience)
        self._num_fruitless = 0
        self._windows.clear()
