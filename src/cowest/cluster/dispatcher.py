"""The thread that gives items to engines, and to other engines when one is lost; it ends with an error, never hangs."""

import functools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import Any

from cowest import progress
from cowest.cluster.engines import Engines
from cowest.cluster.patience import Patience
from cowest.cluster.placements import Placements
from cowest.cluster.places import Node, Place
from cowest.cluster.pool import Work
from cowest.cluster.schedule import MAX_LOSSES, Batch, Schedule, Task
from cowest.cluster.watch import NodeWatch
from cowest.errors import EndpointError
from cowest.words import duration, first_line, plural

_GATHERING_S = 0.004
_TICK_S = 0.5
_RELEASE_S = 30.0
_PATIENCE_AT_END_S = 10.0
_GOES_ON = "Everything paid for is kept, and the same command goes on"


class Dispatcher:
    """Keeps engines at every place of a cluster and gives them what is submitted.

    Everything happens in one thread, which other threads send events to. It starts with the first item, and so do the
    engines; after `stop` the next item starts them again.

    Args:
        engines: where engines can be started.
        on_gpu: whether there is one a GPU; else one a node.
        control_plane: what does not answer where the nodes cannot be had, for messages.
        now: a monotonic clock in seconds.

    Attributes:
        tell: called with the places of the engines that can work, whenever these change; from the dispatcher's thread.
    """

    def __init__(
        self,
        engines: Engines,
        *,
        on_gpu: bool,
        control_plane: str,
        patience: Patience | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engines = engines
        self._control_plane = control_plane
        self._patience = patience or Patience()
        self._now = now
        self.tell: Callable[[list[Place]], None] = lambda places: None
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._schedule = Schedule()
        self._placements = Placements(engines, on_gpu, self._tell_ready)
        self._nodes: list[Node] = []
        self._heard_at = self._able_at = 0.0
        self._reason = ""
        self._drains: list[tuple[Work[Any, Any], Future[list[Future[None]]]]] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_open = False

    @property
    def num_engines(self) -> int:
        """Engines that can work now; 1 until the first can."""
        return max(1, len(self._schedule.engines))

    def submit(self, work: Work[Any, Any], item: Any) -> "Future[Any]":
        """Queues an item for any engine."""
        task: Future[Any] = Future()
        with self._lock:
            if self._thread is None:
                self._is_open = True
                self._thread = threading.Thread(target=self._loop, name="engines of the cluster", daemon=True)
                self._thread.start()
            self._events.put(functools.partial(self._add, work, item, task))
        return task

    def release(self, work: Work[Any, Any]) -> None:
        """Waits until no item of `work` is under way, then has all engines free its memory."""
        with self._lock:
            if self._thread is None:
                return
            drained: Future[list[Future[None]]] = Future()
            self._events.put(lambda: self._drains.append((work, drained)))
        wait_for(drained.result(), timeout=_RELEASE_S)

    def stop(self) -> None:
        """Ends all engines, with what they work on; returns when their memory is free."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._events.put(self._end)
                thread.join()

    # All below runs in the dispatcher's thread.

    def _loop(self) -> None:
        self._heard_at = self._able_at = self._now()
        watch = NodeWatch(self._engines.nodes, lambda nodes: self._events.put(lambda: self._hear(nodes)))
        while self._is_open:
            try:
                self._take_events()
                if self._is_open:
                    self._turn(self._now())
            except Exception as error:  # whatever it is, nobody is left waiting
                self._give_up(f"The cluster ({self._control_plane}) cannot be used: {error!r}. {_GOES_ON}.")
        watch.end()

    def _take_events(self) -> None:
        timeout = _TICK_S
        try:
            while True:
                self._events.get(timeout=timeout)()
                timeout = _GATHERING_S
        except queue.Empty:
            return

    def _turn(self, now: float) -> None:
        for name in self._placements.late(now, self._patience.starting_s):
            self._lose(name, f"it was not ready after {duration(self._patience.starting_s)}")
        self._check_patience(now)
        if now - self._heard_at < self._patience.control_plane_s / 2:  # else a start could block
            for place in self._placements.missing(self._nodes, now):
                self._placements.start(place, now)
        for batch in self._schedule.assign():
            items = [task.item for task in batch.tasks]
            result = self._placements.slots[batch.engine].engine.work(batch.work, items)
            result.add_done_callback(functools.partial(self._tell_result, batch))
        for work, drained in [each for each in self._drains if not self._schedule.has(each[0])]:
            self._drains.remove((work, drained))
            drained.set_result([slot.engine.release(work) for slot in self._placements.ready()])

    def _check_patience(self, now: float) -> None:
        is_working = any(batch is not None for batch in self._schedule.engines.values())
        if self._schedule.engines or not self._schedule.num_waiting:
            self._able_at = now
        if not self._schedule.num_waiting and not is_working:
            return
        if now - self._heard_at > self._patience.control_plane_s:
            self._give_up(
                f"The control plane of the cluster ({self._control_plane}) has not answered for "
                f"{duration(now - self._heard_at)}. Start the cluster again (`ray start --head`). {_GOES_ON}."
            )
        elif now - self._able_at > self._patience.no_engine_s:
            last = f" The last one was lost: {self._reason}." if self._reason else ""
            self._give_up(
                f"For {duration(now - self._able_at)} the cluster ({self._control_plane}) had no engine that could "
                f"work; it has {plural(len(self._nodes), 'node')}.{last} Add a node (`ray start --address=...`), and "
                f"look at `ray status` for what holds its GPUs. {_GOES_ON}."
            )

    def _add(self, work: Work[Any, Any], item: Any, result: "Future[Any]") -> None:
        self._schedule.add(work, item, result)

    def _hear(self, nodes: list[Node]) -> None:
        self._heard_at, self._nodes = self._now(), nodes
        for name in self._placements.gone(nodes):
            self._lose(name, "its node is no longer part of the cluster")

    def _tell_ready(self, name: str, ready: "Future[None]") -> None:
        self._events.put(lambda: self._count_in(name, ready))

    def _tell_result(self, batch: Batch, result: "Future[list[Any]]") -> None:
        self._events.put(lambda: self._settle(batch, result))

    def _count_in(self, name: str, ready: "Future[None]") -> None:
        slot = self._placements.slots.get(name)
        if slot is None:
            return
        error = ready.exception()
        if error is not None:
            self._lose(name, first_line(error))
            return
        slot.is_ready = True
        self._schedule.join(name)
        count = plural(len(self._schedule.engines), "engine")
        progress.say(f"the cluster has {count} now ({slot.place})", about=f"engines: {count}")
        self._tell_engines()

    def _settle(self, batch: Batch, result: "Future[list[Any]]") -> None:
        if self._schedule.engines.get(batch.engine) is not batch:  # given up, or counted as lost meanwhile
            return
        error = result.exception()
        if error is not None:
            self._lose(batch.engine, first_line(error))
            return
        self._schedule.finish(batch.engine)
        self._placements.praise(batch.engine)
        for task, outcome in zip(batch.tasks, result.result(), strict=True):
            if isinstance(outcome, Exception):
                task.result.set_exception(outcome)
            else:
                task.result.set_result(outcome)

    def _lose(self, name: str, reason: str) -> None:
        slot = self._placements.lose(name, self._now())
        if slot is None:
            return
        self._tell_engines()
        self._reason = f"{slot.place}: {reason.strip().rstrip('.')}"
        progress.say(f"an engine was lost ({self._reason}); what it had goes to another one", about=name)
        _fail(
            self._schedule.leave(name),
            f"{MAX_LOSSES} engines were lost one after another while they drafted the same prompt; the last on "
            f"{self._reason}. Where memory is short, set options.max_batch_size lower. {_GOES_ON}.",
        )

    def _give_up(self, message: str) -> None:
        self._able_at = self._now()
        _fail(self._schedule.give_up(), message)

    def _end(self) -> None:
        self._is_open = False
        busy = {name for name, batch in self._schedule.engines.items() if batch is not None}
        idle = [slot for slot in self._placements.ready() if slot.name not in busy]
        self._give_up("The engines of the cluster were stopped.")
        for _, drained in self._drains:
            drained.set_result([])
        self._drains.clear()
        # Memory is not free yet when a killed process is only marked as dead.
        wait_for([slot.engine.release(None) for slot in idle], timeout=_PATIENCE_AT_END_S)
        self._placements.clear()
        self._tell_engines()
        self._schedule = Schedule()

    def _tell_engines(self) -> None:
        self.tell([slot.place for slot in self._placements.ready()])


def _fail(tasks: list[Task], message: str) -> None:
    for task in tasks:
        if task.begin():
            task.result.set_exception(EndpointError(message))
