"""Rate limits that all calls to one endpoint with one key share, known or found while running, and their queue."""

import asyncio
import contextlib
import hashlib
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from weakref import WeakKeyDictionary

from cowest import progress
from cowest.concurrency import in_line, let_through
from cowest.errors import EndpointError, RateLimitError
from cowest.models.rate import AdaptiveRate
from cowest.models.refusals import Call

Sleep = Callable[[float], Awaitable[None]]

LONGEST_REFUSAL_S = 900.0
"""An endpoint that refuses every call for this long is given up, and none is left alone for longer."""
WAITING = "waiting on the limit"
_LONGEST_SLEEP_S = 0.25
_SHORTEST_SLEEP_S = 1e-5
"""What is left of a wait may be less than a clock can tell."""


class EndpointLimits:
    """Lets calls through in order of arrival, as fast as the endpoint takes them and no faster than is known.

    Safe to share between threads and between the event loops of one process.

    Args:
        requests_per_minute, tokens_per_minute: known limits; None where there is none. Unknown ones are found.
        clock, sleep: for tests.

    Attributes:
        num_waiting: calls that wait for their turn.
    """

    def __init__(
        self,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.known = (requests_per_minute, tokens_per_minute)
        self.rate = AdaptiveRate(requests_per_minute / 60 if requests_per_minute else None)
        self._s_per_token = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self.num_waiting = 0
        self._tokens_from = clock()
        self._tokens_per_call = 0.0
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        # A queue belongs to one event loop, and the stages of a run each have their own.
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def turn(self) -> Call:
        """Waits until one call may start; the caller reports how it ended: `answered`, `refused` or `failed`."""
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues.setdefault(loop, asyncio.Lock())
        call = None if queue.locked() else self._start_now(waited=False)
        if call is None:
            notice = progress.notice(WAITING) if self._is_limited else contextlib.nullcontext()
            with notice, in_line():
                call = await self._wait_in(queue)
        let_through()
        return call

    def answered(self, call: Call, num_tokens: int) -> None:
        """The call was answered; `num_tokens` are those of prompt and completion."""
        with self._lock:
            self.rate.succeeded(call, self._clock())
            self._take_tokens(num_tokens - self._tokens_per_call)
            self._tokens_per_call += 0.1 * (num_tokens - self._tokens_per_call) if self._tokens_per_call else num_tokens

    def refused(self, call: Call, error: RateLimitError) -> None:
        """The call was refused because of a limit.

        Raises:
            EndpointError: so was every other for `LONGEST_REFUSAL_S`, or that is how long it asks to wait.
        """
        with self._lock:
            now = self._clock()
            self.rate.refused(call, now, error.retry_after_s)
            self._take_tokens(-self._tokens_per_call)
            refused_s = self.rate.refused_for_s(now)
        wait_s = error.retry_after_s or 0.0
        if refused_s + wait_s > LONGEST_REFUSAL_S:
            asked = f", and asks to wait {wait_s:.0f} s" if wait_s else ""
            raise EndpointError(
                f"Given up, because the rate limit has let no call through for {refused_s:.0f} s{asked}. What was "
                f"paid for is kept; run the same command again when the limit allows. The last refusal: {error}"
            )

    def failed(self, call: Call) -> None:
        """The call ended in any other way."""
        with self._lock:
            self.rate.failed(call)
            self._take_tokens(-self._tokens_per_call)

    def read_headers(self, headers: Mapping[str, str]) -> None:
        """Reads the rate-limit headers of a reply: where nothing is left, the next call waits for its share."""
        for unit in ("requests", "tokens"):
            if headers.get(f"x-ratelimit-remaining-{unit}") != "0":
                continue
            reset_s = duration_s(headers.get(f"x-ratelimit-reset-{unit}", ""))
            limit = headers.get(f"x-ratelimit-limit-{unit}", "")
            if reset_s and limit.isdecimal() and float(limit):
                with self._lock:
                    calls = float(limit) / max(1.0, self._tokens_per_call if unit == "tokens" else 1.0)
                    self.rate.pause(self._clock(), min(LONGEST_REFUSAL_S, reset_s / max(1.0, calls)))

    @property
    def _is_limited(self) -> bool:
        return any(self.known) or self.rate.is_limited(self._clock())

    async def _wait_in(self, queue: asyncio.Lock) -> Call:
        self.num_waiting += 1
        try:
            async with queue:
                while (call := self._start_now(waited=True)) is None:
                    wait_s = self._wait_s()
                    # Not for all of it at once, since a reply may end a pause.
                    await self._sleep(min(max(wait_s, _SHORTEST_SLEEP_S), _LONGEST_SLEEP_S))
                    if wait_s > _LONGEST_SLEEP_S:
                        progress.refresh()
                return call
        finally:
            self.num_waiting -= 1

    def _start_now(self, waited: bool) -> Call | None:
        with self._lock:
            if self._wait_s() > 0:
                return None
            self._take_tokens(self._tokens_per_call)
            return self.rate.start(self._clock(), waited)

    def _wait_s(self) -> float:
        now = self._clock()
        wait_s = self.rate.wait_s(now)
        return max(wait_s, self._tokens_from - now) if self._s_per_token else wait_s

    def _take_tokens(self, count: float) -> None:
        if self._s_per_token:
            self._tokens_from = max(self._tokens_from, self._clock()) + count * self._s_per_token


_shared: dict[tuple[str, str], list[EndpointLimits]] = {}
_shared_lock = threading.Lock()


def limits_of(
    base_url: str, key: str, requests_per_minute: float | None = None, tokens_per_minute: float | None = None
) -> EndpointLimits:
    """The limits that calls to `base_url` with `key` share in this process.

    Sections of a recipe that name the same limits, or none, share one object. Two that name different limits mean
    limits that the endpoint counts apart, for instance by model, and each has its own.
    """
    known = (requests_per_minute, tokens_per_minute)
    with _shared_lock:
        # A hash, so that no dump of this process's objects shows the key.
        found = _shared.setdefault((base_url, hashlib.sha256(key.encode()).hexdigest()), [])
        for limits in found:
            if limits.known == known or not any(known):
                return limits
        limits = EndpointLimits(requests_per_minute, tokens_per_minute)
        # A section without limits joins those that are known.
        found.insert(0, limits)
        return limits


def duration_s(text: str) -> float | None:
    """Seconds in a header's "20ms", "1s", "6m0.5s", "1h2m" or "0.5"; None where it says something else."""
    seconds, number = 0.0, ""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    rest = text.strip()
    while rest:
        number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(number) :]
        unit = rest[: len(rest) - len(rest.lstrip("hms"))]
        rest = rest[len(unit) :]
        try:
            seconds += float(number) * units[unit or "s"]
        except (ValueError, KeyError):
            return None
    return seconds if number else None
