"""A model that is called through its endpoint's batch interface: cheaper, and as slow as the endpoint likes.

Requests gather until none has come for a moment and then go as one file. So a stage should have all its examples in
flight at once: then each of its dependent rounds (z, verdicts, refinements, verdicts) is one batch.
"""

import asyncio
import hashlib
import json
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from cowest import progress
from cowest.errors import CowestError, TransientEndpointError
from cowest.models import _batch_interface
from cowest.models._batch_interface import BatchInterface, BatchProvider, Outcome, QueueFullError, Sleep
from cowest.models._batch_record import BatchRecord, Submission
from cowest.types import ChatRequest, Completion

if TYPE_CHECKING:
    from openai.types import Batch

SETTLE_S = 10.0
MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000
MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class _Asked:
    """A request as a line of a file, and in how many batches it has been without a reply."""

    line: bytes
    num_attempts: int = 0


class Batched:
    """Completes conversations in batches, and waits for those that an earlier process sent.

    A request is in at most one batch at a time. It goes into another only when its batch ended without a reply to it
    (expired, cancelled, a passing fault), `MAX_ATTEMPTS` times. What an earlier process sent counts only where it got
    a usable reply; failures are never kept.

    Args:
        provider: whose endpoint has the interface.
        path: where it is kept which requests are in which batch; None keeps it in memory, so that a restart pays again.
        settle_s: a batch is sent when for so long no request has come.
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
        self.provider = provider
        self.name = provider.name
        self.identity = provider.identity
        self.path = path
        self.settle_s = SETTLE_S if settle_s is None else settle_s
        self.max_requests = max_requests
        self.max_bytes = max_bytes
        self.sleep = sleep
        # Futures belong to one event loop, and the stages of a run each have their own.
        self._desks: WeakKeyDictionary[asyncio.AbstractEventLoop, _Desk] = WeakKeyDictionary()

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation when its batch has ended; an equal request in flight shares the reply.

        Raises:
            CompletionError: the endpoint gave this request no usable reply.
            TransientEndpointError: none of several batches came to it.
            EndpointError: wrong key, no money left, no such interface; batches under way go on, and are waited for by
                the next start.
        """
        desk = self._desks.get(asyncio.get_running_loop())
        if desk is None:
            desk = self._desks[asyncio.get_running_loop()] = _Desk(self)
        return await desk.ask(request)

    async def close(self) -> None:
        """Stops waiting and closes the provider; batches under way go on at the endpoint."""
        desk = self._desks.pop(asyncio.get_running_loop(), None)
        if desk is not None:
            await desk.close()
        await self.provider.close()


class _Desk:
    """The requests of one event loop, from the queue through a batch to the reply."""

    def __init__(self, model: Batched) -> None:
        self._model = model
        self._provider = model.provider
        self._interface = BatchInterface(model.provider, model.sleep)
        self._record = BatchRecord(model.path)
        self._replies: dict[str, asyncio.Future[Completion]] = {}
        self._queue: dict[str, _Asked] = {}
        self._num_queued = 0
        self._feedback_stage: asyncio.Task[None] | None = None
        self._carrying: set[asyncio.Task[None]] = set()
        self._under_way: dict[str, tuple[int, int]] = {}
        self._one_ended = asyncio.Event()
        self._status = progress.Status()

    async def ask(self, request: ChatRequest) -> Completion:
        body = self._provider.batch_body(request)
        custom_id = _digest([self._model.identity, body, request.sample_index, request.prompt_version])
        reply = self._replies.get(custom_id)
        if reply is None:
            reply = self._replies[custom_id] = asyncio.get_running_loop().create_future()
            reply.add_done_callback(_look_at)
            self._enqueue({custom_id: _Asked(_batch_interface.line(custom_id, body))})
        return await asyncio.shield(reply)

    async def close(self) -> None:
        tasks = [*self._carrying, *filter(None, [self._feedback_stage])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for reply in self._replies.values():
            reply.cancel()

    def _enqueue(self, asked: dict[str, _Asked]) -> None:
        self._queue |= asked
        self._num_queued += len(asked)
        if self._feedback_stage is None or self._feedback_stage.done():
            self._feedback_stage = asyncio.create_task(self._gather())

    async def _gather(self) -> None:
        """Empties the queue into batches whenever nothing has come for a moment."""
        while self._queue:
            num_before = -1
            while num_before != self._num_queued:
                num_before = self._num_queued
                await self._model.sleep(self._model.settle_s)
            queue, self._queue = self._queue, {}
            new: dict[str, _Asked] = {}
            sent_before: dict[str, tuple[Submission, dict[str, _Asked]]] = {}
            for custom_id, asked in queue.items():
                submission = self._record.find(custom_id)
                if submission is None:
                    new[custom_id] = asked
                else:
                    sent_before.setdefault(submission.label, (submission, {}))[1][custom_id] = asked
            for submission, its in sent_before.values():
                self._start(its, self._resume(submission, its))
            for file in self._files(new):
                self._start(file, self._send(file))

    def _files(self, asked: dict[str, _Asked]) -> Iterator[dict[str, _Asked]]:
        file: dict[str, _Asked] = {}
        num_bytes = 0
        for custom_id, each in asked.items():
            full = len(file) == self._model.max_requests or num_bytes + len(each.line) > self._model.max_bytes
            if file and full:
                yield file
                file, num_bytes = {}, 0
            file[custom_id] = each
            num_bytes += len(each.line)
        if file:
            yield file

    def _start(self, asked: dict[str, _Asked], work: Coroutine[Any, Any, None]) -> None:
        async def carry() -> None:
            try:
                await work
            except Exception as error:  # of whatever kind: whoever waits for these requests must hear of it
                for custom_id in asked:
                    self._fail(custom_id, error)

        task = asyncio.create_task(carry())
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _resume(self, submission: Submission, asked: dict[str, _Asked]) -> None:
        """Takes what an earlier process has sent; what got no usable reply there is sent as if it were new."""
        if submission.batch_id is None:
            batch_id = await self._interface.find(submission.label, submission.started_at)
            if batch_id is not None:
                self._record.created(submission, batch_id)
        outcome = None if submission.batch_id is None else await self._wait(submission)
        again = {}
        for custom_id, each in asked.items():
            try:
                self._answer(custom_id, outcome)
            except CowestError:
                self._record.forget(custom_id)
                again[custom_id] = each
        if again:
            self._enqueue(again)

    async def _send(self, asked: dict[str, _Asked]) -> None:
        """Takes requests through one batch, in parts where the account may not have all of them waiting at once."""
        submission = self._record.intend(asked)
        content = b"".join(each.line for each in asked.values())
        batch_id = await self._interface.submit(content, submission.label, submission.started_at)
        self._record.created(submission, batch_id)
        outcome = await self._wait(submission)
        if isinstance(outcome.refusal, QueueFullError) and (self._under_way or len(asked) > 1):
            await self._send_later(asked)
            return
        again = {}
        for custom_id, each in asked.items():
            try:
                self._answer(custom_id, outcome)
            except TransientEndpointError as error:
                self._record.forget(custom_id)
                if each.num_attempts + 1 < MAX_ATTEMPTS:
                    again[custom_id] = replace(each, num_attempts=each.num_attempts + 1)
                else:
                    given_up = f"Given up after {MAX_ATTEMPTS} batches; the last failed so: {error}"
                    self._fail(custom_id, TransientEndpointError(given_up, error.retry_after_s))
            except CowestError as error:
                self._record.forget(custom_id)
                self._fail(custom_id, error)
        if again:
            self._enqueue(again)

    async def _send_later(self, asked: dict[str, _Asked]) -> None:
        if self._under_way:
            self._one_ended.clear()
            await self._one_ended.wait()
            await self._send(asked)
            return
        await self._model.sleep(_batch_interface.MAX_POLL_S)
        ids = list(asked)
        for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
            await self._send({custom_id: asked[custom_id] for custom_id in half})

    async def _wait(self, submission: Submission) -> Outcome:
        assert submission.batch_id is not None

        def show(batch: "Batch") -> None:
            counts = batch.request_counts
            self._under_way[submission.label] = (counts.total, counts.completed + counts.failed) if counts else (0, 0)
            self._show()

        try:
            return await self._interface.wait(submission.batch_id, show)
        finally:
            self._under_way.pop(submission.label, None)
            self._one_ended.set()
            self._show()

    def _show(self) -> None:
        totals, done = [total for total, _ in self._under_way.values()], [done for _, done in self._under_way.values()]
        if totals:
            self._status.show(waiting_for_batches=len(totals), requests_in_them=sum(totals), answered=sum(done))
        else:
            self._status.hide()
        progress.refresh()

    def _answer(self, custom_id: str, outcome: Outcome | None) -> None:
        """Hands a reply to whoever waits for it.

        Raises:
            CowestError: there is none.
        """
        row = None if outcome is None else outcome.lines.get(custom_id)
        if outcome is None or row is None:
            status = "" if outcome is None else f" ({outcome.status})"
            refusal = None if outcome is None else outcome.refusal
            where = self._provider.batch_where
            raise refusal or TransientEndpointError(f"{where}: the batch ended{status} without this request.")
        completion = self._provider.batch_reply(row, outcome.latency_s)
        if self._model.path is None:
            # Nobody keeps replies, so the same request is a new one next time.
            self._record.forget(custom_id)
        reply = self._replies.pop(custom_id)
        if not reply.done():
            reply.set_result(completion)

    def _fail(self, custom_id: str, error: Exception) -> None:
        reply = self._replies.pop(custom_id, None)
        if reply is not None and not reply.done():
            reply.set_exception(error)


def _digest(value: Any) -> str:
    # Endpoints take up to 64 characters as a custom_id; 128 bits tell all requests apart.
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _look_at(reply: "asyncio.Future[Completion]") -> None:
    # Whoever waited may have left; asyncio would then complain about an exception that nobody saw.
    if not reply.cancelled():
        reply.exception()
