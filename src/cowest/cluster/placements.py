"""The engines of a dispatcher: one at every place, started, counted in when ready, and started again when lost."""

import itertools
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from cowest.cluster.engines import Engine, Engines
from cowest.cluster.places import Node, Place, places_of

LONGEST_PAUSE_S = 60.0


@dataclass
class Slot:
    """A place and its engine.

    Attributes:
        name: of the engine; each new one has another.
        since: when it was started.
        is_ready: whether it can work.
    """

    place: Place
    name: str
    engine: Engine
    since: float
    is_ready: bool = False


@dataclass
class _Luck:
    """How a place has done: engines lost in a row, and when the next may be started."""

    num_lost: int = 0
    not_before: float = 0.0


@dataclass
class Placements:
    """Keeps an engine at every place. Called from one thread only.

    Args:
        engines: where they are started.
        on_gpu: whether there is one a GPU; else one a node.
        tell: called with a slot's name and its future when an engine is ready, or never will be; from any thread.

    Attributes:
        slots: by the engine's name.
    """

    engines: Engines
    on_gpu: bool
    tell: Callable[[str, "Future[None]"], None]
    slots: dict[str, Slot] = field(default_factory=dict)
    _luck: dict[Place, _Luck] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)

    def missing(self, nodes: Collection[Node], now: float) -> list[Place]:
        """Places on these nodes without an engine, where one may be started now."""
        taken = {slot.place for slot in self.slots.values()}
        places = (place for place in places_of(nodes, on_gpu=self.on_gpu) if place not in taken)
        return [place for place in places if self._luck.get(place, _Luck()).not_before <= now]

    def start(self, place: Place, now: float) -> None:
        """Starts an engine."""
        name = f"engine {next(self._numbers)}"
        slot = self.slots[name] = Slot(place, name, self.engines.start(place), now)
        slot.engine.ready.add_done_callback(lambda ready: self.tell(name, ready))

    def lose(self, name: str, now: float) -> Slot | None:
        """Ends an engine; its place gets another one, at once the first time and after a growing pause from then on."""
        slot = self.slots.pop(name, None)
        if slot is not None:
            slot.engine.kill()
            luck = self._luck.setdefault(slot.place, _Luck())
            luck.not_before = now + (min(2.0**luck.num_lost, LONGEST_PAUSE_S) if luck.num_lost else 0.0)
            luck.num_lost += 1
        return slot

    def praise(self, name: str) -> None:
        """An engine has done a batch: what its place lost before counts no more."""
        self._luck.pop(self.slots[name].place, None)

    def ready(self) -> list[Slot]:
        """Those that can work."""
        return [slot for slot in self.slots.values() if slot.is_ready]

    def late(self, now: float, limit_s: float) -> list[str]:
        """Engines that were started longer than `limit_s` ago and are not ready."""
        return [slot.name for slot in self.slots.values() if not slot.is_ready and now - slot.since > limit_s]

    def gone(self, nodes: Collection[Node]) -> list[str]:
        """Engines on nodes that are no more."""
        alive = {node.id for node in nodes}
        return [slot.name for slot in self.slots.values() if slot.place.node.id not in alive]

    def clear(self) -> None:
        """Ends all engines."""
        for slot in self.slots.values():
            slot.engine.kill()
        self.slots.clear()
        self._luck.clear()
