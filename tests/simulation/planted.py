"""Faults that are planted in the package, to see whether the simulation finds them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

from cowest import concurrency
from cowest.errors import TransientEndpointError
from cowest.ledger import Ledger
from cowest.models.budgeted import Budgeted
from cowest.models.concurrency import Concurrent
from cowest.models.retrying import Retrying
from cowest.runs import files
from cowest.serving.answering import Answering
from cowest.serving.exchange import Exchange
from cowest.serving.pass_through import PassThrough
from cowest.stages import _annotation, evaluate
from cowest.stages._progress_file import ProgressFile

Planted = Callable[[], AbstractContextManager[Any]]


def _unbooked() -> AbstractContextManager[Any]:
    """A reply is used and not kept."""

    async def settle(self: Ledger, key: str, completion: Any) -> Any:
        return completion

    return mock.patch.object(Ledger, "settle", settle)


def _no_intent() -> AbstractContextManager[Any]:
    """A call is sent before it is in the ledger."""
    intend = Ledger.intend

    async def late(self: Ledger, *given: Any) -> None:
        asyncio.get_running_loop().call_later(3.0, lambda: asyncio.ensure_future(intend(self, *given)))

    return mock.patch.object(Ledger, "intend", late)


def _no_turns() -> AbstractContextManager[Any]:
    """Equal requests in flight are both sent."""
    return mock.patch.multiple(Ledger, begin=lambda self, key: None, end=lambda self, key: None)


def _one_key_for_all_samples() -> AbstractContextManager[Any]:
    """Samples of one prompt share a key."""
    key = Ledger.key

    def shared(role: str, model: str, identity: str, request: Any) -> str:
        return key(role, model, identity, request.model_copy(update={"sample_index": 0}))

    return mock.patch.object(Ledger, "key", staticmethod(shared))


def _failures_are_free() -> AbstractContextManager[Any]:
    """What a failed call may have cost is forgotten."""
    complete = Budgeted.complete

    async def forgetful(self: Budgeted, request: Any) -> Any:
        before = self.spent_usd
        try:
            return await complete(self, request)
        except TransientEndpointError:
            self.spent_usd = before
            raise

    return mock.patch.object(Budgeted, "complete", forgetful)


def _nothing_reserved() -> AbstractContextManager[Any]:
    """A call starts although the budget may not hold it."""

    async def reserve(self: Budgeted, worst_usd: float) -> None:
        self.reserved_usd += worst_usd

    return mock.patch.object(Budgeted, "_reserve", reserve)


def _spend_of_earlier_processes_forgotten() -> AbstractContextManager[Any]:
    """A new process begins with an untouched budget."""
    return mock.patch.object(Ledger, "spend_usd", return_value=0.0)


def _retries_counted_twice() -> AbstractContextManager[Any]:
    """A call is given up after half of its attempts."""
    made = Retrying.__init__

    def half(self: Retrying, *given: Any, **settings: Any) -> None:
        made(self, *given, **settings)
        self.max_attempts, self.max_broken = 2, 2

    return mock.patch.object(Retrying, "__init__", half)


def _slots_lost() -> AbstractContextManager[Any]:
    """A call that failed keeps its slot among those in flight."""

    async def complete(self: Concurrent, request: Any) -> Any:
        loop = asyncio.get_running_loop()
        slots = self._slots.setdefault(loop, asyncio.Semaphore(self.max_concurrency))
        await slots.acquire()
        completion = await self.model.complete(request)
        slots.release()
        return completion

    return mock.patch.object(Concurrent, "complete", complete)


def _unbounded() -> AbstractContextManager[Any]:
    """`max_concurrency` bounds nothing."""

    async def complete(self: Concurrent, request: Any) -> Any:
        return await self.model.complete(request)

    return mock.patch.object(Concurrent, "complete", complete)


@contextlib.contextmanager
def _order_of_completion() -> Iterator[None]:
    """Results come in the order in which they were ready."""

    async def mapped(work: Callable[[Any], Awaitable[Any]], items: Any, num_in_flight: int | None) -> list[Any]:
        results: list[Any] = []

        async def noted(item: Any) -> None:
            results.append(await work(item))

        await concurrency.map_in_flight(noted, items, num_in_flight)
        return results

    async def yielded(*given: Any) -> AsyncGenerator[Any]:
        for result in await mapped(*given):
            yield result

    with (
        mock.patch.object(_annotation, "in_order", yielded),
        mock.patch.object(evaluate, "map_in_flight", mapped),
    ):
        yield


def _written_in_place() -> AbstractContextManager[Any]:
    """A file is written where it will be read."""
    return mock.patch.object(Path, "with_name", lambda self, name: self)


def _marker_first() -> AbstractContextManager[Any]:
    """The file that marks the end is written before the rest."""
    publish = files.JsonlFile.publish

    def early(self: files.JsonlFile, *given: Any) -> None:
        if self._path.name == "graded.jsonl":
            files.write_text(self._path.with_name("summary.json"), "{}")
        publish(self, *given)

    return mock.patch.object(files.JsonlFile, "publish", early)


def _progress_left() -> AbstractContextManager[Any]:
    """The file for the viewer stays."""
    return mock.patch.object(ProgressFile, "remove")


def _served_twice() -> AbstractContextManager[Any]:
    """A failed request of a client is sent again."""
    complete = PassThrough.complete

    async def again(self: PassThrough, *given: Any) -> Any:
        try:
            return await complete(self, *given)
        except Exception:
            return await complete(self, *given)

    return mock.patch.object(PassThrough, "complete", again)


def _cut_off_looks_whole() -> AbstractContextManager[Any]:
    """A stream that breaks ends as a whole one does."""
    stream = PassThrough.stream

    async def forgiving(self: PassThrough, *given: Any) -> Any:
        with contextlib.suppress(Exception):
            async for chunk in stream(self, *given):
                yield chunk

    return mock.patch.object(PassThrough, "stream", forgiving)


def _drafts_mixed_up() -> AbstractContextManager[Any]:
    """A client gets the answer to the draft of another one."""
    draft = Answering._draft
    last: list[Any] = []

    async def mixed(self: Answering, conversation: Any) -> Any:
        last.append(await draft(self, conversation))
        return last[max(0, len(last) - 2)]

    return mock.patch.object(Answering, "_draft", mixed)


def _slow_clients_hold() -> AbstractContextManager[Any]:
    """A client may take as long as it likes."""
    made = Exchange.__init__

    def patient(self: Exchange, send: Any, slow_client_s: float) -> None:
        made(self, send, 1e9)

    return mock.patch.object(Exchange, "__init__", patient)


PLANTED: dict[str, tuple[str, Planted]] = {
    "a reply is not booked": ("feedback", _unbooked),
    "an intent comes late": ("feedback", _no_intent),
    "equal requests are both sent": ("feedback", _no_turns),
    "samples share a key": ("feedback", _one_key_for_all_samples),
    "failed calls are free": ("feedback", _failures_are_free),
    "nothing is reserved": ("feedback", _nothing_reserved),
    "earlier spend is forgotten": ("feedback", _spend_of_earlier_processes_forgotten),
    "retries count twice": ("feedback", _retries_counted_twice),
    "slots are lost": ("feedback", _slots_lost),
    "no bound on calls in flight": ("feedback", _unbounded),
    "results in order of completion": ("feedback", _order_of_completion),
    "predictions in order of completion": ("evaluate", _order_of_completion),
    "files are written in place": ("feedback", _written_in_place),
    "the marker is written first": ("feedback", _marker_first),
    "the progress file stays": ("feedback", _progress_left),
    "requests of clients are repeated": ("serve", _served_twice),
    "a broken stream looks whole": ("serve", _cut_off_looks_whole),
    "clients get each other's drafts": ("serve", _drafts_mixed_up),
}
"""Each by what it does, with the work in which it shows."""

RARE = ("failed calls are free", "the marker is written first", "files are written in place")
"""Those that show in few seeds."""
