"""The queue behind a batched model: requests gather, go out as files, and get their replies when a batch has ended."""

import asyncio
import hashlib
import json
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from cowest import progress
from cowest.errors import BrokenReplyError, CowestError, TransientEndpointError
from cowest.models import _batch_interface, _batch_lines
from cowest.models._batch_files import BatchLimits, QueuedRequest, split
from cowest.models._batch_interface import BatchInterface, BatchProvider, QueueFullError, Sleep
from cowest.models._batch_record import BatchRecord, Submission
from cowest.models._batch_state import BatchState, Outcome
from cowest.models.base import Json
from cowest.types import ChatRequest, Completion

MAX_ATTEMPTS = 3
"""Batches that a request is sent in before it is given up."""

_NEVER_MADE = Outcome("never made", {}, lost_lines=False, latency_s=0.0, refusal=None)


class BatchQueue:
    """The requests of one event loop, from the queue through a batch to the reply.

    Args:
        provider: whose endpoint has the interface.
        path: where it is kept which requests are in which batch; None keeps it in memory.
        limits: when a batch is sent, and how large its file may be.
        sleep: for tests.
    """

    def __init__(self, provider: BatchProvider, path: Path | None, limits: BatchLimits, sleep: Sleep) -> None:
        self._provider = provider
        self._keeps_replies = path is not None
        self._limits = limits
        self._sleep = sleep
        self._interface = BatchInterface(provider, sleep)
        self._record = BatchRecord(path)
        self._replies: dict[str, asyncio.Future[Completion]] = {}
        self._queue: dict[str, QueuedRequest] = {}
        self._num_queued = 0
        self._gathering: asyncio.Task[None] | None = None
        self._batch_tasks: set[asyncio.Task[None]] = set()
        # By label: how many requests a batch has, and how many of them have ended.
        self._in_progress: dict[str, tuple[int, int]] = {}
        self._status = progress.Status()
        self._a_batch_ended = asyncio.Event()

    def was_sent(self, request: ChatRequest) -> bool:
        """Whether a batch with this request was sent, or is about to be."""
        return self._record.find(self._identify(request)[0]) is not None

    async def complete(self, request: ChatRequest) -> Completion:
        """Queues a request and waits for its reply; an equal request that waits already shares the reply."""
        custom_id, body = self._identify(request)
        reply = self._replies.get(custom_id)
        if reply is None:
            reply = self._replies[custom_id] = asyncio.get_running_loop().create_future()
            reply.add_done_callback(_mark_retrieved)
            self._enqueue({custom_id: QueuedRequest(_batch_lines.line(custom_id, body))})
        return await asyncio.shield(reply)

    async def close(self) -> None:
        """Stops waiting; batches in progress go on at the endpoint."""
        tasks = [*self._batch_tasks, *filter(None, [self._gathering])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for reply in self._replies.values():
            reply.cancel()

    def _identify(self, request: ChatRequest) -> tuple[str, Json]:
        body = self._provider.batch_body(request)
        return _digest([self._provider.identity, body, request.sample_index, request.prompt_version]), body

    def _enqueue(self, requests: dict[str, QueuedRequest]) -> None:
        self._queue |= requests
        self._num_queued += len(requests)
        if self._gathering is None or self._gathering.done():
            self._gathering = asyncio.create_task(self._gather())

    async def _gather(self) -> None:
        """Empties the queue into batches whenever nothing has come for a moment."""
        while self._queue:
            num_before = -1
            while num_before != self._num_queued:
                num_before = self._num_queued
                await self._sleep(self._limits.settle_s)
            queue, self._queue = self._queue, {}
            new: dict[str, QueuedRequest] = {}
            sent_before: dict[str, tuple[Submission, dict[str, QueuedRequest]]] = {}
            for custom_id, request in queue.items():
                submission = self._record.find(custom_id)
                if submission is None:
                    new[custom_id] = request
                else:
                    sent_before.setdefault(submission.label, (submission, {}))[1][custom_id] = request
            for submission, requests in sent_before.values():
                self._start(requests, self._resume(submission, requests))
            for file in split(new, self._limits):
                self._start(file, self._send(file))

    def _start(self, requests: dict[str, QueuedRequest], work: Coroutine[object, None, None]) -> None:
        async def handle() -> None:
            try:
                await work
            except Exception as error:  # of any kind: it ends the requests that wait
                for custom_id in requests:
                    self._fail(custom_id, error)

        task = asyncio.create_task(handle())
        self._batch_tasks.add(task)
        task.add_done_callback(self._batch_tasks.discard)

    async def _resume(self, submission: Submission, requests: dict[str, QueuedRequest]) -> None:
        """Waits for a batch that an earlier process sent; what got no usable reply in it is sent as if it were new."""
        if submission.batch_id is None:
            batch_id = await self._interface.find(submission.label, submission.started_at)
            if batch_id is not None:
                self._record.created(submission, batch_id)
        outcome = _NEVER_MADE if submission.batch_id is None else await self._wait(submission, requests)
        again = {}
        for custom_id, error in self._answer_all(requests, outcome).items():
            if error.may_be_billed:
                self._fail(custom_id, _broken(error))
            else:
                again[custom_id] = requests[custom_id]
        self._enqueue(again)

    async def _send(self, requests: dict[str, QueuedRequest]) -> None:
        """Sends requests in one batch, or in halves where the account may not have all of them waiting at once."""
        submission = self._record.intend(requests)
        content = b"".join(request.line for request in requests.values())
        try:
            batch_id = await self._interface.submit(content, submission.label, submission.started_at)
        except CowestError as error:
            if not error.may_be_billed:
                self._record.forget(requests)
            raise
        self._record.created(submission, batch_id)
        outcome = await self._wait(submission, requests)
        if isinstance(outcome.refusal, QueueFullError) and (self._in_progress or len(requests) > 1):
            await self._send_later(requests)
            return
        again = {}
        for custom_id, failure in self._answer_all(requests, outcome).items():
            num_attempts = requests[custom_id].num_attempts + 1
            if not isinstance(failure, TransientEndpointError):
                self._fail(custom_id, failure)
            elif failure.may_be_billed:
                self._fail(custom_id, _broken(failure))
            elif num_attempts < MAX_ATTEMPTS:
                again[custom_id] = replace(requests[custom_id], num_attempts=num_attempts)
            else:
                given_up = f"Given up after {MAX_ATTEMPTS} batches; the last failed so: {failure}"
                self._fail(custom_id, TransientEndpointError(given_up, failure.retry_after_s))
        self._enqueue(again)

    async def _send_later(self, requests: dict[str, QueuedRequest]) -> None:
        if self._in_progress:
            self._a_batch_ended.clear()
            await self._a_batch_ended.wait()
            await self._send(requests)
            return
        await self._sleep(_batch_interface.MAX_POLL_S)
        ids = list(requests)
        for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
            await self._send({custom_id: requests[custom_id] for custom_id in half})

    async def _wait(self, submission: Submission, requests: Mapping[str, QueuedRequest]) -> Outcome:
        assert submission.batch_id is not None

        def show(batch: BatchState) -> None:
            counts = batch.counts
            self._in_progress[submission.label] = (counts.total, counts.completed + counts.failed)
            self._show()

        try:
            return await self._interface.wait(submission.batch_id, show, requests)
        finally:
            self._in_progress.pop(submission.label, None)
            self._a_batch_ended.set()
            self._show()

    def _show(self) -> None:
        batches = self._in_progress.values()
        if batches:
            num_requests, num_answered = map(sum, zip(*batches, strict=True))
            self._status.show(waiting_for_batches=len(batches), requests_in_them=num_requests, answered=num_answered)
        else:
            self._status.hide()
        progress.refresh()

    def _answer_all(self, requests: Iterable[str], outcome: Outcome) -> dict[str, CowestError]:
        """Sets the replies that came; returns why the other requests have none. Their batch is forgotten."""
        errors: dict[str, CowestError] = {}
        for custom_id in requests:
            try:
                self._answer(custom_id, outcome)
            except CowestError as error:
                errors[custom_id] = error
        self._record.forget_for_good(custom_id for custom_id, error in errors.items() if error.may_be_billed)
        self._record.forget(errors)
        return errors

    def _answer(self, custom_id: str, outcome: Outcome) -> None:
        """Sets the reply of a request.

        Raises:
            CowestError: there is none.
        """
        row = outcome.lines.get(custom_id)
        if row is None:
            ended = f"{self._provider.batch_where}: the batch ended ({outcome.status}) without this request."
            raise outcome.refusal or TransientEndpointError(ended, may_be_billed=outcome.lost_lines)
        completion = self._provider.batch_reply(row, outcome.latency_s)
        if not self._keeps_replies:
            # The same request is a new one next time.
            self._record.forget([custom_id])
        reply = self._replies.pop(custom_id)
        if not reply.done():
            reply.set_result(completion)

    def _fail(self, custom_id: str, error: Exception) -> None:
        reply = self._replies.pop(custom_id, None)
        if reply is not None and not reply.done():
            reply.set_exception(error)


def _digest(value: object) -> str:
    # Endpoints take up to 64 characters as a custom_id; 128 bits tell all requests apart.
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _broken(error: CowestError) -> BrokenReplyError:
    # Whoever waits sends the request again, so that a budget sees it.
    return BrokenReplyError(f"The reply in a batch cannot be used: {error}", may_be_billed=True)


def _mark_retrieved(reply: "asyncio.Future[Completion]") -> None:
    # Whoever waited may have been cancelled; asyncio would then log an exception that was never retrieved.
    if not reply.cancelled():
        reply.exception()
