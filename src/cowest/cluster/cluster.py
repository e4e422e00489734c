"""A cluster that a run drafts and trains on: its connection, and the engines or ranks on all its nodes."""

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import Any

from cowest.cluster.dispatcher import Dispatcher
from cowest.cluster.engines import Engines
from cowest.cluster.gang import Gang, Ranks
from cowest.cluster.patience import Patience
from cowest.cluster.places import Node, Place, in_words, places_of
from cowest.cluster.pool import Pool, Work

_ANSWER_S = 60.0


class Cluster:
    """Engines on all nodes of a cluster, one a GPU, or one a node where no node has a GPU. All models share them.

    Args:
        address: of the control plane, for messages.
        engines: where they are started; none is until the first item comes.
        ranks: where the ranks of a training are started.
        disconnect: called at the end.

    Attributes:
        address: likewise.
        nodes: those that were there when it was opened.
        gang: the ranks of a training, at the same places.
    """

    def __init__(
        self,
        address: str,
        engines: Engines,
        ranks: Ranks,
        *,
        disconnect: Callable[[], None] = lambda: None,
        patience: Patience | None = None,
    ) -> None:
        self.address = address
        self._engines = engines
        self.nodes: list[Node] = sorted(engines.nodes())
        self._on_gpu = any(node.gpus for node in self.nodes)
        self._dispatcher = Dispatcher(engines, on_gpu=self._on_gpu, control_plane=address, patience=patience)
        self.gang = Gang(ranks, on_gpu=self._on_gpu, patience=patience)
        self._disconnect = disconnect

    @property
    def device(self) -> str:
        """What models run on where their options do not say: "cuda" or "cpu"."""
        return "cuda" if self._on_gpu else "cpu"

    @property
    def places(self) -> list[Place]:
        """Where engines run, on the nodes that were there when it was opened."""
        return places_of(self.nodes, on_gpu=self._on_gpu)

    def __str__(self) -> str:
        return f"the cluster at {self.address} ({in_words(self.nodes)})"

    def ask_versions(self) -> dict[Node, dict[str, str] | None]:
        """The versions of Python and packages on each node; None for one that does not say."""
        asked = {node: self._engines.ask_versions(node) for node in self.nodes}
        wait_for(asked.values(), timeout=_ANSWER_S)
        return {node: answer.result() if _has_result(answer) else None for node, answer in asked.items()}

    def pool(self, work: Work[Any, Any]) -> Pool[Any, Any]:
        """The engines, for one work."""
        return _ClusterPool(self._dispatcher, work)

    def on_engines(self, tell: Callable[[list[Place]], None]) -> None:
        """Has `tell` called with the places of the engines that can work, whenever these change."""
        self._dispatcher.tell = tell

    def stop(self) -> None:
        """Ends the engines, so that their memory is free; the next item starts them again."""
        self._dispatcher.stop()

    def close(self) -> None:
        """Ends the engines and leaves the cluster."""
        self._dispatcher.stop()
        self._disconnect()


class _ClusterPool:
    def __init__(self, dispatcher: Dispatcher, work: Work[Any, Any]) -> None:
        self._dispatcher = dispatcher
        self._work = work

    @property
    def num_engines(self) -> int:
        return self._dispatcher.num_engines

    def submit(self, item: Any) -> "Future[Any]":
        return self._dispatcher.submit(self._work, item)

    def close(self) -> None:
        self._dispatcher.release(self._work)


def _has_result(future: "Future[Any]") -> bool:
    return future.done() and future.exception() is None
