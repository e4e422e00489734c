"""A pool of engines without Ray: threads that double numbers, and can be lost, late or refused as a test says."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from cowest.cluster.host import versions
from cowest.cluster.places import Node, Place


@dataclass(frozen=True)
class Doubling:
    """Work that doubles numbers."""

    name: str = "doubling"
    max_batch_size: int = 4

    def open(self) -> Callable[[Sequence[int]], list[Any]]:
        return lambda items: [2 * item for item in items]


class FakeEngine:
    """An engine in a thread per batch; it waits for `hold`, if there is one, before it answers."""

    def __init__(
        self, place: Place, on_batch: Callable[["FakeEngine", Sequence[Any]], None], *, is_ready: bool
    ) -> None:
        self.place = place
        self.ready: Future[None] = Future()
        self.is_killed = False
        self.released: list[Any] = []
        self.batches: list[list[Any]] = []
        self._on_batch = on_batch
        self._under_way: list[Future[list[Any]]] = []
        if is_ready:
            self.ready.set_result(None)

    def work(self, work: Any, items: Sequence[Any]) -> "Future[list[Any]]":
        future: Future[list[Any]] = Future()
        self.batches.append(list(items))
        self._under_way.append(future)
        threading.Thread(target=self._do, args=(work, items, future), daemon=True).start()
        return future

    def release(self, work: Any) -> "Future[None]":
        self.released.append(work)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def kill(self) -> None:
        """As `ray.kill`: what is under way fails."""
        self.is_killed = True
        for future in self._under_way:
            if not future.done():
                future.set_exception(ConnectionError("the actor died"))

    def _do(self, work: Any, items: Sequence[Any], future: "Future[list[Any]]") -> None:
        try:
            self._on_batch(self, items)
            result = work.open()(items)
        except Exception as error:
            if not future.done():
                future.set_exception(error)
            return
        if not future.done():
            future.set_result(result)


class FakeEngines:
    """Engines on nodes that a test adds and removes.

    Args:
        on_batch: called in an engine's thread before it works; what it raises is the end of that engine.
    """

    def __init__(
        self, *nodes: str, on_batch: Callable[[FakeEngine, Sequence[Any]], None] = lambda engine, items: None
    ) -> None:
        self.alive = [Node(name, f"address of {name}", 1, 0) for name in nodes]
        self.started: list[FakeEngine] = []
        self.is_ready = True
        self.versions = versions()
        self.answers = threading.Event()
        self.answers.set()
        self._on_batch = on_batch

    def nodes(self) -> list[Node]:
        """Blocks while the control plane does not answer."""
        self.answers.wait()
        return list(self.alive)

    def start(self, place: Place) -> FakeEngine:
        engine = FakeEngine(place, self._on_batch, is_ready=self.is_ready)
        self.started.append(engine)
        return engine

    def ask_versions(self, node: Node) -> "Future[dict[str, str]]":
        answer: Future[dict[str, str]] = Future()
        answer.set_result(self.versions | {"python": "3.0"} if node.id == "old" else self.versions)
        return answer
