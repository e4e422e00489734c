"""Ranks of a training without Ray: threads, which can be lost or late as a test says."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from cowest.cluster.places import Node, Place
from cowest.errors import CowestError

OnRank = Callable[["FakeRank", Mapping[str, str]], CowestError | None]


class FakeRank:
    def __init__(self, place: Place, on_rank: OnRank, *, is_ready: bool) -> None:
        self.place = place
        self.is_killed = False
        self._on_rank = on_rank
        self._is_ready = is_ready
        self._under_way: Future[Any] = Future()

    def address(self) -> "Future[tuple[str, int]]":
        answer: Future[tuple[str, int]] = Future()
        if self._is_ready:
            answer.set_result((self.place.node.address, 29500))
        return answer

    def train(self, environment: Mapping[str, str], training: Callable[[], object]) -> "Future[CowestError | None]":
        threading.Thread(target=self._train, args=(dict(environment), training), daemon=True).start()
        return self._under_way

    def kill(self) -> None:
        self.is_killed = True

    def _train(self, environment: Mapping[str, str], training: Callable[[], object]) -> None:
        try:
            training()
            self._under_way.set_result(self._on_rank(self, environment))
        except Exception as error:
            self._under_way.set_exception(error)


class FakeRanks:
    """One place on each node.

    Args:
        on_rank: called in a rank's thread. Its result is the training's own error; what it raises ends the rank.
    """

    def __init__(self, *nodes: str, on_rank: OnRank = lambda rank, environment: None) -> None:
        self.alive = [Node(name, f"address of {name}", 1, 0) for name in nodes]
        self.started: list[FakeRank] = []
        self.is_ready = True
        self._on_rank = on_rank

    def nodes(self) -> list[Node]:
        return list(self.alive)

    def start_rank(self, place: Place) -> FakeRank:
        self.started.append(FakeRank(place, self._on_rank, is_ready=self.is_ready))
        return self.started[-1]
