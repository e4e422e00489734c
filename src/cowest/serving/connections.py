"""Open connections of clients: how many there may be, and how long one may take until its request's head is there."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

_LOG = logging.getLogger("cowest.serving")


class Connection(Protocol):
    """What can be closed at once."""

    def abort(self) -> None:
        """Closes it, whatever it is doing."""


class Connections:
    """The connections of one server.

    A new one beyond the limit closes the one that has waited longest without a request; where all have one in work,
    it is closed itself.

    Args:
        limit: number of open ones.
        head_s: seconds that one may wait for the head of a request.
        clock: monotonic seconds; replaced in tests.
    """

    def __init__(self, limit: int, head_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._head_s = head_s
        self._clock = clock
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, float] = {}
        """Those without a request in work, since when, the longest waiting first."""
        self._num_slow = 0
        self._num_crowded_out = 0

    def opened(self, connection: Connection) -> None:
        """Takes a new connection, or closes it."""
        if len(self._open) >= self._limit:
            self._num_crowded_out += 1
            oldest = next(iter(self._waiting), connection)
            self.closed(oldest)
            oldest.abort()
            if oldest is connection:
                return
        self._open.add(connection)
        self._waiting[connection] = self._clock()

    def asked(self, connection: Connection) -> None:
        """The head of a request has come."""
        self._waiting.pop(connection, None)

    def answered(self, connection: Connection) -> None:
        """A request was answered; the next one is waited for."""
        if connection in self._open:
            self._waiting[connection] = self._clock()

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def sweep(self) -> None:
        """Closes those that have waited too long, and logs in one line how many were closed since the last call."""
        before = self._clock() - self._head_s
        slow = [connection for connection, since in self._waiting.items() if since <= before]
        for connection in slow:
            self.closed(connection)
            connection.abort()
        self._num_slow += len(slow)
        if self._num_slow or self._num_crowded_out:
            _LOG.warning(
                "connections closed: %d without a request within %g s, %d because more than %d were open",
                self._num_slow,
                self._head_s,
                self._num_crowded_out,
                self._limit,
            )
        self._num_slow = self._num_crowded_out = 0
