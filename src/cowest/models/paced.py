"""A model whose known limits are kept by spacing its calls evenly."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from cowest.models.base import ChatModel
from cowest.types import ChatRequest, Completion

Sleep = Callable[[float], Awaitable[None]]


class Paced:
    """Starts at most `requests_per_minute` calls a minute, and no more than `tokens_per_minute` allows.

    Tokens are counted when a reply tells how many there were; the next calls wait for them.

    Args:
        requests_per_minute, tokens_per_minute: known limits of the endpoint; None where there is none.
        clock, sleep: for tests.
    """

    def __init__(
        self,
        model: ChatModel,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.model = model
        self.name = model.name
        self.identity = model.identity
        self._s_per_request = 60 / requests_per_minute if requests_per_minute else 0.0
        self._s_per_token = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._clock = clock
        self._sleep = sleep
        self._next_request = self._next_tokens = clock()

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation when the limits allow."""
        now = self._clock()
        start = max(now, self._next_request, self._next_tokens)
        self._next_request = start + self._s_per_request
        if start > now:
            await self._sleep(start - now)
        completion = await self.model.complete(request)
        num_tokens = completion.usage.prompt_tokens + completion.usage.completion_tokens
        self._next_tokens = max(self._next_tokens, start) + num_tokens * self._s_per_token
        return completion

    async def close(self) -> None:
        """Closes the model."""
        await self.model.close()
