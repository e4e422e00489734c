"""Which engine gets which items next, and what becomes of the items of an engine that is lost. No threads, no clock."""

import heapq
import itertools
import math
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from cowest.cluster.pool import Work

MAX_LOSSES = 4
"""Engines that an item may be lost with. One that ends every engine it is given to must not do so for ever."""


@dataclass(order=True)
class Task:
    """One item on its way.

    Attributes:
        number: in the order of arrival.
        losses: engines that were lost while they had it.
        has_begun: whether it was given to an engine, so that its future cannot be cancelled.
    """

    number: int
    work: Work[Any, Any] = field(compare=False)
    item: Any = field(compare=False)
    result: "Future[Any]" = field(compare=False)
    losses: int = field(default=0, compare=False)
    has_begun: bool = field(default=False, compare=False)

    def begin(self) -> bool:
        """Whether it is still wanted; from now on it cannot be cancelled."""
        self.has_begun = self.has_begun or self.result.set_running_or_notify_cancel()
        return self.has_begun


@dataclass(frozen=True)
class Batch:
    """Items of one work, for one engine."""

    engine: str
    work: Work[Any, Any]
    tasks: tuple[Task, ...]


class Schedule:
    """The items that wait, and what each engine has.

    Items are given out in the order in which they came. Those of a lost engine go to the front again.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._waiting: dict[Work[Any, Any], list[Task]] = {}
        self._engines: dict[str, Batch | None] = {}

    @property
    def engines(self) -> dict[str, Batch | None]:
        """The engines that can work, each with its batch."""
        return self._engines

    @property
    def num_waiting(self) -> int:
        """Items that no engine has."""
        return sum(map(len, self._waiting.values()))

    def has(self, work: Work[Any, Any]) -> bool:
        """Whether an item of this work waits or is worked on."""
        busy = (batch.work for batch in self._engines.values() if batch is not None)
        return bool(self._waiting.get(work)) or work in busy

    def add(self, work: Work[Any, Any], item: Any, result: "Future[Any]") -> None:
        """Queues an item."""
        self._put(Task(next(self._numbers), work, item, result))

    def join(self, engine: str) -> None:
        """Counts an engine in."""
        self._engines.setdefault(engine, None)

    def leave(self, engine: str) -> list[Task]:
        """Counts an engine out and queues its items again.

        Returns:
            Those that were lost with an engine too often, which are not queued again.
        """
        batch, given_up = self._engines.pop(engine, None), []
        for task in batch.tasks if batch is not None else ():
            task.losses += 1
            if task.losses < MAX_LOSSES:
                self._put(task)
            else:
                given_up.append(task)
        return given_up

    def finish(self, engine: str) -> Batch | None:
        """The batch that an engine has worked off, which is then idle; None where it had left before."""
        batch = self._engines.get(engine)
        if batch is not None:
            self._engines[engine] = None
        return batch

    def assign(self) -> list[Batch]:
        """Gives waiting items to idle engines."""
        given = []
        for engine, busy in self._engines.items():
            if busy is None and (batch := self._next_batch(engine)) is not None:
                self._engines[engine] = batch
                given.append(batch)
        return given

    def give_up(self) -> list[Task]:
        """Removes all items, those that engines have included."""
        tasks = [task for waiting in self._waiting.values() for task in waiting]
        tasks += [task for batch in self._engines.values() if batch is not None for task in batch.tasks]
        self._waiting.clear()
        self._engines = dict.fromkeys(self._engines)
        return sorted(tasks)

    def _put(self, task: Task) -> None:
        heapq.heappush(self._waiting.setdefault(task.work, []), task)

    def _next_batch(self, engine: str) -> Batch | None:
        while self._waiting:
            work = min(self._waiting, key=lambda each: self._waiting[each][0])
            waiting = self._waiting[work]
            # A fair share, so that no engine is idle while another one has a full batch.
            size = min(work.max_batch_size, math.ceil(len(waiting) / len(self._engines)))
            tasks: list[Task] = []
            while waiting and len(tasks) < size:
                task = heapq.heappop(waiting)
                if task.begin():
                    tasks.append(task)
            if not waiting:
                del self._waiting[work]
            if tasks:
                return Batch(engine, work, tuple(tasks))
        return None
