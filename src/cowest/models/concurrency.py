"""A model with a limit on the requests in flight."""

import asyncio
import contextlib
from weakref import WeakKeyDictionary

from cowest.concurrency import in_line
from cowest.models.base import ChatModel
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion


class Concurrent(WrapperModel):
    """Lets at most `max_concurrency` requests through at once; the others wait in order of arrival."""

    def __init__(self, model: ChatModel, max_concurrency: int) -> None:
        super().__init__(model)
        self.max_concurrency = max_concurrency
        # A semaphore belongs to one event loop, and the stages of a run each have their own.
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation when fewer than `max_concurrency` are in flight."""
        loop = asyncio.get_running_loop()
        slots = self._slots.setdefault(loop, asyncio.Semaphore(self.max_concurrency))
        with in_line() if slots.locked() else contextlib.nullcontext():
            await slots.acquire()
        try:
            return await self.model.complete(request)
        finally:
            slots.release()
