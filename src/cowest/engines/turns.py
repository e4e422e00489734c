"""Work in threads, one piece after the other, of which everything under way can be given up at once."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future

from cowest.errors import CowestError, EndpointError

FORGOTTEN_S = 600.0
"""After so long a failure is forgotten and the work is tried again, for a process that serves for months."""


class Turns:
    """Starting and stopping servers, which takes minutes and must not happen twice at a time.

    Args:
        name: what the work is about, for messages.

    Attributes:
        cancelled: set while what is under way shall end; long work looks at it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.cancelled = threading.Event()
        self._failure: CowestError | None = None
        self._failed_at = 0.0
        self._num_given_up = 0
        self._pending: dict[Hashable, Future[None]] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    @property
    def failure(self) -> CowestError | None:
        """Of the last piece that failed, until it is forgotten or given up."""
        return self._failure if time.monotonic() - self._failed_at < FORGOTTEN_S else None

    def submit(self, key: Hashable, work: Callable[[], None]) -> Future[None]:
        """Has `work` done in a thread when it is its turn.

        Work of the same key that has not begun yet is done once for all. What has begun may have looked at the state
        too early for this caller, so another turn follows it.
        """
        with self._lock:
            known = self._pending.get(key)
            if known is not None:
                return known
            future: Future[None] = Future()
            self._pending[key] = future
            given_up = self._num_given_up
        # A daemon: a start that nobody waits for any more must not keep the process.
        arguments = (key, work, future, given_up)
        threading.Thread(target=self._run, args=arguments, name=self.name, daemon=True).start()
        return future

    def give_up(self) -> None:
        """Has the work that is under way end, and the work that waits never begin; returns at once."""
        with self._lock:
            self._num_given_up += 1
            self.cancelled.set()

    def after_giving_up(self, work: Callable[[], None]) -> None:
        """Does `work` here once nothing is under way any more."""
        with self._turn:
            self.cancelled.clear()
            self._failure = None
            work()

    def _run(self, key: Hashable, work: Callable[[], None], future: Future[None], given_up: int) -> None:
        failure: BaseException | None = None
        known: CowestError | None = None
        with self._turn:
            with self._lock:
                del self._pending[key]
            try:
                if given_up != self._num_given_up:
                    raise EndpointError(f"{self.name}: stopped before they were started.")
                if (known := self.failure) is not None:
                    raise known
                work()
            except BaseException as error:
                failure = error
                with self._lock:
                    if isinstance(error, CowestError) and error is not known and given_up == self._num_given_up:
                        self._failure, self._failed_at = error, time.monotonic()
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)


async def end_of(future: Future[None]) -> None:
    """Waits for work in another thread, whose failure is raised; that goes on if the waiting is cancelled."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def wake(_: Future[None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    future.add_done_callback(wake)
    await ended.wait()
    future.result()


def at_once(works: Sequence[Callable[[], None]]) -> None:
    """Does all of them at the same time; returns when all are done."""
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
