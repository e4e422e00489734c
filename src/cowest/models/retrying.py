"""A model that tries again what may pass: a rate limit, a busy server, a lost connection."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from cowest.errors import TransientEndpointError
from cowest.models.base import ChatModel
from cowest.types import ChatRequest, Completion


class Retrying:
    """Repeats a request after a `TransientEndpointError`, within bounds of attempts and of time.

    Waits grow exponentially, each drawn at random from the upper half so that many requests do not come back at once.
    Where the endpoint says how long to wait, that is the least that is waited.

    Args:
        model: what is called.
        max_attempts: calls for one request, the first included.
        max_time_s: a wait that would end later than this after the first call is not begun.
        first_wait_s, max_wait_s: bounds of the waits this class chooses itself.
        seed: of the random part.
        clock, sleep: replaced in tests.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        max_attempts: int = 8,
        max_time_s: float = 300.0,
        first_wait_s: float = 1.0,
        max_wait_s: float = 60.0,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.model = model
        self.name = model.name
        self.identity = model.identity
        self.max_attempts = max_attempts
        self.max_time_s = max_time_s
        self.first_wait_s = first_wait_s
        self.max_wait_s = max_wait_s
        self._random = random.Random(seed)
        self._clock = clock
        self._sleep = sleep

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation, if need be at the nth attempt.

        Raises:
            TransientEndpointError: the last failure, when the bounds are reached.
        """
        start = self._clock()
        attempt = 1
        while True:
            try:
                return await self.model.complete(request)
            except TransientEndpointError as error:
                wait_s = self._wait_s(attempt, error)
                elapsed_s = self._clock() - start
                if attempt >= self.max_attempts or elapsed_s + wait_s > self.max_time_s:
                    raise TransientEndpointError(
                        f"Given up after {attempt} attempts in {elapsed_s:.0f} s; the last failed so: {error}",
                        error.retry_after_s,
                    ) from error
            await self._sleep(wait_s)
            attempt += 1

    async def close(self) -> None:
        """Closes the model."""
        await self.model.close()

    def _wait_s(self, attempt: int, error: TransientEndpointError) -> float:
        longest_s = min(self.max_wait_s, self.first_wait_s * 2.0 ** (attempt - 1))
        own_s = longest_s * (0.5 + 0.5 * self._random.random())
        return own_s if error.retry_after_s is None else max(own_s, error.retry_after_s)
