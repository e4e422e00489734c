"""A training on all places of a cluster: one rank at each, ended together, begun again where one is lost."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future
from concurrent.futures import wait as wait_for
from typing import Any, Protocol

from cowest import progress
from cowest.cluster.patience import Patience
from cowest.cluster.places import Node, Place, places_of
from cowest.errors import CowestError, EndpointError
from cowest.words import duration, first_line

Training = Callable[[], object]
"""What every rank does; sent to other processes, so it can be pickled."""

MAX_LOSSES = 3
"""So many gangs may be lost one after another without a further checkpoint."""

_TICK_S = 1.0
_GOES_ON = "The same command goes on from the last checkpoint"


class Rank(Protocol):
    """One process of a training."""

    def address(self) -> "Future[tuple[str, int]]":
        """Done once it can work: its host, and a port there that is free. An exception says why it never can."""
        ...

    def train(self, environment: Mapping[str, str], training: Training) -> "Future[CowestError | None]":
        """Starts the training; the result is its error, and an exception means that the rank is lost."""
        ...

    def kill(self) -> None:
        """Ends it at once."""
        ...


class Ranks(Protocol):
    """Where ranks can be started."""

    def nodes(self) -> list[Node]:
        """The nodes that are alive."""
        ...

    def start_rank(self, place: Place) -> Rank:
        """Starts a rank; returns before it can work."""
        ...


def num_ranks(accumulation: int, num_places: int) -> int:
    """How many ranks share the forward passes of a step: the most that divide them, at most one a place."""
    return max(count for count in range(1, min(accumulation, max(1, num_places)) + 1) if accumulation % count == 0)


class Gang:
    """The ranks of one training.

    Args:
        ranks: where they are started.
        on_gpu: whether there is one a GPU; else one a node.
        now: a monotonic clock in seconds.
    """

    def __init__(
        self,
        ranks: Ranks,
        *,
        on_gpu: bool,
        patience: Patience | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ranks = ranks
        self._on_gpu = on_gpu
        self._patience = patience or Patience()
        self._now = now

    def train(
        self, stage: str, training: Training, accumulation: int, *, reached: Callable[[], int], tell: Callable[[], None]
    ) -> None:
        """Trains on as many places as divide a step; begins again from the last checkpoint where a rank is lost.

        Args:
            stage: for messages.
            training: goes on from its last checkpoint, and returns at once where it is finished.
            accumulation: forward passes of a step, which the ranks share.
            reached: the step of the last checkpoint.
            tell: called about once a second, to show progress.

        Raises:
            CowestError: the training's own error, which another gang would meet too.
            EndpointError: there is no place for a rank, or gang after gang was lost.
        """
        losses, last = 0, reached()
        while (lost := self._once(stage, training, accumulation, tell)) is not None:
            losses, last = (1 if reached() > last else losses + 1), reached()
            if losses == MAX_LOSSES:
                raise EndpointError(
                    f"{stage}: {losses} times one after another the ranks of the training were lost before a further "
                    f"checkpoint, the last time since {lost}. {_GOES_ON}."
                )
            progress.say(f"{stage}: {lost}; it begins again from step {last}", about=f"{stage}: loss {losses}")

    def _once(self, stage: str, training: Training, accumulation: int, tell: Callable[[], None]) -> str | None:
        places = self._places(stage, accumulation)
        ranks = [self._ranks.start_rank(place) for place in places]
        try:
            ready = [rank.address() for rank in ranks]
            lost = self._wait(ready, places, tell, self._patience.starting_s)
            if lost is None:
                progress.say(f"{stage} in {len(ranks)} ranks: {', '.join(map(str, places))}", about=f"{stage}: ranks")
                lost = self._wait(self._start(ranks, ready[0].result(), training), places, tell)
            return lost
        finally:
            for rank in ranks:
                rank.kill()

    def _places(self, stage: str, accumulation: int) -> list[Place]:
        began = self._now()
        while not (places := places_of(self._ranks.nodes(), on_gpu=self._on_gpu)):
            if self._now() - began > self._patience.no_engine_s:
                raise EndpointError(
                    f"{stage}: for {duration(self._now() - began)} the cluster had no node to train on. Add one "
                    f"(`ray start --address=...`). {_GOES_ON}."
                )
            time.sleep(_TICK_S)
        return places[: num_ranks(accumulation, len(places))]

    def _start(
        self, ranks: "list[Rank]", address: tuple[str, int], training: Training
    ) -> "list[Future[CowestError | None]]":
        host, port = address
        common = {
            "WORLD_SIZE": str(len(ranks)),
            "LOCAL_RANK": "0",  # each rank sees its own GPU only
            "LOCAL_WORLD_SIZE": "1",
            "MASTER_ADDR": host,
            "MASTER_PORT": str(port),
            **({} if self._on_gpu else {"ACCELERATE_USE_CPU": "true"}),
        }
        return [rank.train(common | {"RANK": str(number)}, training) for number, rank in enumerate(ranks)]

    def _wait(
        self,
        futures: "Sequence[Future[Any]]",
        places: list[Place],
        tell: Callable[[], None],
        at_most_s: float = math.inf,
    ) -> str | None:
        """Waits for all ranks; ends at the first that is lost, which it names.

        Raises:
            CowestError: of the first rank that has one.
        """
        waiting: set[Future[Any]] = set(futures)
        until = self._now() + at_most_s
        while waiting:
            done, waiting = wait_for(waiting, timeout=_TICK_S, return_when=FIRST_COMPLETED)
            tell()
            for place, future in zip(places, futures, strict=True):
                if future in done:
                    outcome = future.exception() or future.result()
                    if isinstance(outcome, CowestError):
                        raise outcome
                    if isinstance(outcome, BaseException):
                        return f"the rank on {place} was lost ({first_line(outcome).strip().rstrip('.')})"
                elif future in waiting and self._now() > until:
                    return f"the rank on {place} was not ready after {duration(at_most_s)}"
        return None
