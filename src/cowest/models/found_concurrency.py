"""A model with a limit on the requests in flight that is found while running."""

import asyncio
import contextlib
import resource
import time
from collections import deque
from weakref import WeakKeyDictionary

from cowest.concurrency import in_line
from cowest.errors import RateLimitError, TransientEndpointError, UnreachableError
from cowest.models.base import ChatModel
from cowest.models.found_limit import FIRST, MOST, FoundLimit
from cowest.models.limits import EndpointLimits
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion

_OTHER_FILES = 256


class FoundConcurrency(WrapperModel):
    """Lets as many requests through at once as its endpoint takes; the others wait in order of arrival.

    Args:
        model: what is called, paced by `limits`.
        limits: of the endpoint. While calls wait for them, more in flight would change nothing.
        num_endpoints: of the model, which share the connections that this process may open.
        found: the limit; for tests.
    """

    def __init__(
        self, model: ChatModel, limits: EndpointLimits, num_endpoints: int = 1, *, found: FoundLimit | None = None
    ) -> None:
        super().__init__(model)
        # Where the rate is known, that is what bounds the calls in flight.
        self.found = found or FoundLimit(_most_connections(num_endpoints), MOST if any(limits.known) else FIRST)
        self._limits = limits
        # Calls that wait belong to one event loop, and the stages of a run each have their own.
        self._waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, deque[asyncio.Future[None]]] = WeakKeyDictionary()
        self._num_in_flight: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation when few enough are in flight."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting.setdefault(loop, deque())
        await self._enter(loop, waiting)
        try:
            completion = await self.model.complete(request)
        except (RateLimitError, UnreachableError):
            raise
        except TransientEndpointError:
            self.found.failed(self._num_in_flight[loop])
            raise
        else:
            is_full = bool(waiting) and not self._limits.num_waiting
            self.found.answered(time.monotonic(), self._num_in_flight[loop], is_full=is_full)
            return completion
        finally:
            self._num_in_flight[loop] -= 1
            self._let_in(loop, waiting)

    async def _enter(self, loop: asyncio.AbstractEventLoop, waiting: "deque[asyncio.Future[None]]") -> None:
        if not waiting and self._num_in_flight.get(loop, 0) < self.found.limit:
            self._num_in_flight[loop] = self._num_in_flight.get(loop, 0) + 1
            return
        turn = loop.create_future()
        waiting.append(turn)
        try:
            with in_line():
                await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._num_in_flight[loop] -= 1
                self._let_in(loop, waiting)
            else:
                with contextlib.suppress(ValueError):
                    waiting.remove(turn)
            raise

    def _let_in(self, loop: asyncio.AbstractEventLoop, waiting: "deque[asyncio.Future[None]]") -> None:
        while waiting and self._num_in_flight[loop] < self.found.limit:
            turn = waiting.popleft()
            if not turn.done():
                self._num_in_flight[loop] += 1
                turn.set_result(None)


def _most_connections(num_endpoints: int) -> int:
    """Connections to each endpoint of a model that this process may open; raises its limit to what it is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    # Half, since a run calls other models too.
    return MOST if soft == resource.RLIM_INFINITY else min(MOST, max(1, (soft - _OTHER_FILES) // (2 * num_endpoints)))
