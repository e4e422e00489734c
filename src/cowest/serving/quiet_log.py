"""A limit on what strangers can make a log say: each kind of line once a second, with the number left out."""

import logging
import time
from collections import Counter
from collections.abc import Callable


class OnceASecond(logging.Filter):
    """Lets one record of each message through a second; the next one tells how many were left out.

    Args:
        clock: monotonic seconds; replaced in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._last: dict[str, float] = {}
        self._left_out: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged. The text before its values tells the message."""
        now, message = self._clock(), str(record.msg)
        if now - self._last.get(message, float("-inf")) < 1:
            self._left_out[message] += 1
            return False
        self._last[message] = now
        if num := self._left_out.pop(message, 0):
            record.msg = f"{message.rstrip()} (and {num} more of these)"
        return True
