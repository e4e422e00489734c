"""Where engines run: one a GPU, or one a node where no node has a GPU."""

from collections.abc import Iterable
from typing import NamedTuple

from cowest import words


class Node(NamedTuple):
    """A node of a cluster, as its control plane knows it.

    Attributes:
        id: unique, also over time: a node that comes back has another one.
        address: for messages.
        cpus, gpus: what it was started with.
    """

    id: str
    address: str
    cpus: int
    gpus: int


class Place(NamedTuple):
    """Room for one engine.

    Attributes:
        number: of its GPU among the node's; 0 where engines run on processors.
        on_gpu: whether it has a GPU to itself.
    """

    node: Node
    number: int
    on_gpu: bool

    def __str__(self) -> str:
        return f"node {self.node.address}" + (f", GPU {self.number}" if self.on_gpu else "")


def places_of(nodes: Iterable[Node], *, on_gpu: bool) -> list[Place]:
    """The places for engines on these nodes, in the order of the nodes' ids."""
    counts = ((node, node.gpus if on_gpu else int(node.cpus > 0)) for node in sorted(nodes))
    return [Place(node, number, on_gpu) for node, count in counts for number in range(count)]


def in_words(nodes: Iterable[Node]) -> str:
    """For instance "3 nodes, 24 CPUs, 8 GPUs"."""
    known = list(nodes)
    amounts = {"node": len(known), "CPU": sum(node.cpus for node in known), "GPU": sum(node.gpus for node in known)}
    return ", ".join(words.plural(count, thing) for thing, count in amounts.items())
