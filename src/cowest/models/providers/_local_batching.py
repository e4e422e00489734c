"""Requests that arrive one by one, gathered into batches for one worker thread. Knows nothing of models."""

import atexit
import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


_PATIENCE_AT_EXIT_S = 1.0
_INTERRUPTED = 130


class Wanted(Future[Result]):
    """A future that knows whether somebody still waits for it: work that has begun cannot be cancelled, but ended."""

    is_wanted = True

    def cancel(self) -> bool:
        """Cancels what has not begun; what has begun is no longer wanted."""
        self.is_wanted = False
        return super().cancel()


@dataclass(frozen=True)
class Job(Generic[Item, Result]):
    """One item and where its result goes."""

    item: Item
    result: Wanted[Result] = field(default_factory=Wanted)


class Gatherer(Generic[Item, Result]):
    """Collects jobs until none has come for a moment, then passes all of them to `work` in a thread of its own.

    While `work` runs the next jobs gather, so a busy model gets full batches and an idle one answers at once.

    Args:
        work: sets the result or the exception of every job it is given; what it raises goes to those left over. It
            should raise soon where none of its jobs is wanted any more.
        prepare: called before each batch; what comes until it returns is in the batch. What it raises goes to all of
            them.
        name: of the thread.
        window_s: how long is waited for one more job.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Job[Item, Result]]], None],
        *,
        prepare: Callable[[], None] = lambda: None,
        name: str,
        window_s: float = 0.004,
    ) -> None:
        self._work = work
        self._prepare = prepare
        self._name = name
        self._window_s = window_s
        self._jobs: queue.SimpleQueue[Job[Item, Result] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._running: Sequence[Job[Item, Result]] = ()

    @property
    def num_engines(self) -> int:
        """One thread."""
        return 1

    def submit(self, item: Item) -> Wanted[Result]:
        """Queues an item; its future belongs to no event loop."""
        job: Job[Item, Result] = Job(item)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
                self._thread.start()
                atexit.register(self._end_at_exit)
            self._jobs.put(job)
        return job.result

    def close(self) -> None:
        """Works off what is queued and ends the thread; the next job starts another."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                atexit.unregister(self._end_at_exit)
                self._jobs.put(None)
                thread.join()

    def _end_at_exit(self) -> None:
        """Ends the thread before the interpreter goes, which aborts the process where the thread is inside torch."""
        thread = self._thread
        if thread is None:
            return
        with contextlib.suppress(queue.Empty):
            while (job := self._jobs.get_nowait()) is not None:
                job.result.cancel()
        for job in self._running:
            job.result.cancel()
        self._jobs.put(None)
        try:
            thread.join(_PATIENCE_AT_EXIT_S)
            if thread.is_alive():
                print(f"• {self._name}: finishing one step; Ctrl-C again ends it at once", file=sys.stderr, flush=True)
                thread.join()
        except KeyboardInterrupt:
            os._exit(_INTERRUPTED)

    def _loop(self) -> None:
        open_ = True
        while open_:
            job = self._jobs.get()
            jobs: list[Job[Item, Result]] = []
            error = self._prepared_for(job)
            while job is not None:
                if job.result.set_running_or_notify_cancel():
                    jobs.append(job)
                try:
                    job = self._jobs.get(timeout=self._window_s)
                except queue.Empty:
                    break
            open_ = job is not None
            if jobs:
                self._run(jobs, error)

    def _prepared_for(self, job: Job[Item, Result] | None) -> BaseException | None:
        if job is not None:
            self._running = (job,)
            try:
                self._prepare()
            except BaseException as error:
                return error
        return None

    def _run(self, jobs: Sequence[Job[Item, Result]], error: BaseException | None) -> None:
        self._running = jobs
        try:
            if error is not None:
                raise error
            self._work(jobs)
        except BaseException as raised:
            for job in jobs:
                if not job.result.done():
                    job.result.set_exception(raised)
        finally:
            self._running = ()
