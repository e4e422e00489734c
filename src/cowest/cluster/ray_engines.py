"""Engines as actors of Ray, one at each place. Ray neither restarts them nor repeats a batch; the dispatcher does."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cowest.cluster.host import Host, versions
from cowest.cluster.places import Node, Place
from cowest.cluster.pool import Work
from cowest.cluster.training_rank import TrainingRank
from cowest.errors import CowestError


class RayEngines:
    """Starts actors on the nodes of the cluster that this process is connected to."""

    def nodes(self) -> list[Node]:
        """The nodes that are alive."""
        return [_node(entry) for entry in ray.nodes() if entry["Alive"]]

    def start(self, place: Place) -> "RayEngine":
        """Starts an actor at a place."""
        return RayEngine(_actor(Host, place).remote(versions(), _num_threads(place)))

    def start_rank(self, place: Place) -> "RayRank":
        """Starts an actor at a place that trains."""
        actor = _actor(TrainingRank, place)
        return RayRank(actor.remote(versions(), _num_threads(place), place.node.address, Path.cwd()))

    def ask_versions(self, node: Node) -> "Future[dict[str, str]]":
        """The versions of Python and packages on a node."""
        affinity = NodeAffinitySchedulingStrategy(node.id, soft=False)
        asked = ray.remote(versions).options(num_cpus=0, max_retries=0, scheduling_strategy=affinity)
        future: Future[dict[str, str]] = asked.remote().future()
        return future


class RayRank:
    """One actor that trains.

    Args:
        actor: of the class TrainingRank.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def address(self) -> "Future[tuple[str, int]]":
        """Its host and a free port, once it can work."""
        return _future(self._actor.address.remote())

    def train(self, environment: Mapping[str, str], training: Callable[[], object]) -> "Future[CowestError | None]":
        """Starts the training."""
        return _future(self._actor.train.remote(environment, training))

    def kill(self) -> None:
        """Ends the actor's process."""
        ray.kill(self._actor)


class RayEngine:
    """One actor.

    Args:
        actor: of the class Host.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self.ready: Future[None] = actor.check.remote().future()

    def work(self, work: Work[Any, Any], items: Sequence[Any]) -> "Future[list[Any]]":
        """Starts a batch."""
        return _future(self._actor.work.remote(work, items))

    def release(self, work: Work[Any, Any] | None) -> "Future[None]":
        """Frees the memory of a work; None is all of them."""
        return _future(self._actor.release.remote(work))

    def kill(self) -> None:
        """Ends the actor's process."""
        ray.kill(self._actor)


def _actor(kind: type, place: Place) -> Any:
    return ray.remote(kind).options(
        num_cpus=0,
        num_gpus=1 if place.on_gpu else 0,
        # With retries a call to an actor whose node is gone hangs until another node joins.
        max_restarts=0,
        max_task_retries=0,
        scheduling_strategy=NodeAffinitySchedulingStrategy(place.node.id, soft=False),
    )


def _num_threads(place: Place) -> int:
    share = max(1, place.node.cpus // max(1, place.node.gpus if place.on_gpu else 1))
    return int(os.environ.get("OMP_NUM_THREADS") or share)


def _future(reference: Any) -> "Future[Any]":
    future: Future[Any] = reference.future()
    return future


def _node(entry: dict[str, Any]) -> Node:
    resources = entry["Resources"]
    return Node(
        entry["NodeID"], entry["NodeManagerAddress"], int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    )
