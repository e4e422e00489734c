"""What a dispatcher needs of the machines: which nodes there are, and engines that can be started on them."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from cowest.cluster.places import Node, Place
from cowest.cluster.pool import Work


class Engine(Protocol):
    """A process somewhere that opens works and does batches of them, one at a time."""

    @property
    def ready(self) -> "Future[None]":
        """Done once it can work; its exception says why it never will."""
        ...

    def work(self, work: Work[Any, Any], items: Sequence[Any]) -> "Future[list[Any]]":
        """Starts a batch; an exception of the future means that the engine is lost."""
        ...

    def release(self, work: Work[Any, Any] | None) -> "Future[None]":
        """Frees the memory of a work; None is all of them."""
        ...

    def kill(self) -> None:
        """Ends it at once."""
        ...


class Engines(Protocol):
    """Where engines can be started."""

    def nodes(self) -> list[Node]:
        """The nodes that are alive; may block or raise where the control plane does not answer."""
        ...

    def start(self, place: Place) -> Engine:
        """Starts an engine; returns before it is ready."""
        ...

    def ask_versions(self, node: Node) -> "Future[dict[str, str]]":
        """The versions of Python and packages on a node."""
        ...
