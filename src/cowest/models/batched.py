"""A model that is called through its endpoint's batch interface: cheaper, and as slow as the endpoint likes.

Requests gather until none has come for a moment and then go as one file. So a stage should have all its examples in
flight at once: then each of its dependent rounds (z, verdicts, refinements, verdicts) is one batch.
"""

import asyncio
from pathlib import Path
from weakref import WeakKeyDictionary

from cowest.models._batch_files import BatchLimits
from cowest.models._batch_interface import BatchProvider, Sleep
from cowest.models._batch_queue import BatchQueue
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion

SETTLE_S = 10.0
MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000


class Batched(WrapperModel):
    """Completes conversations in batches, and waits for those that an earlier process sent.

    A request is in at most one batch at a time. It goes into another only when its batch ended without a reply to it
    (expired, cancelled, a passing fault), `MAX_ATTEMPTS` times. What an earlier process sent counts only where it got
    a usable reply; failures are never kept.

    Args:
        provider: whose endpoint has the interface.
        path: where it is kept which requests are in which batch; None keeps it in memory, so that a restart pays again.
        settle_s: a batch is sent when no request has come for so long.
        max_requests, max_bytes: of one file; more become several batches.
        sleep: for tests.
    """

    def __init__(
        self,
        provider: BatchProvider,
        path: Path | None = None,
        *,
        settle_s: float | None = None,
        max_requests: int = MAX_REQUESTS,
        max_bytes: int = MAX_BYTES,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(provider)
        self.path = path
        self._provider = provider
        self._limits = BatchLimits(SETTLE_S if settle_s is None else settle_s, max_requests, max_bytes)
        self.sleep = sleep
        # Futures belong to one event loop, and the stages of a run each have their own.
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, BatchQueue] = WeakKeyDictionary()

    def was_sent(self, request: ChatRequest) -> bool:
        """Whether a batch with this request was sent, or is about to be: then `complete` waits for its reply."""
        return self._queue().was_sent(request)

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation when its batch has ended; an equal request in flight shares the reply.

        Raises:
            CompletionError: the endpoint gave this request no usable reply.
            TransientEndpointError: none of several batches came to it.
            EndpointError: wrong key, no money left, no such interface; batches in progress go on, and
                are waited for by the next start.
        """
        return await self._queue().complete(request)

    async def close(self) -> None:
        """Stops waiting and closes the provider; batches in progress go on at the endpoint."""
        queue = self._queues.pop(asyncio.get_running_loop(), None)
        if queue is not None:
            await queue.close()
        await super().close()

    def _queue(self) -> BatchQueue:
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop)
        if queue is None:
            queue = self._queues[loop] = BatchQueue(self._provider, self.path, self._limits, self.sleep)
        return queue
