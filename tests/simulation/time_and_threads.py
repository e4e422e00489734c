"""The clocks and the one thread of this package, in a simulated process: virtual time, and turns of the event loop."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock

from cowest.ledger import calls, writer
from cowest.models import limits
from tests.simulation.machine import Machine

Result = TypeVar("Result")
SLOWEST_WRITE_S = 0.02
"""The longest that the disk takes to begin with the writes that wait."""


@contextlib.contextmanager
def simulated_process(machine: Machine) -> Iterator[None]:
    """A process of its own: its clocks are the machine's, it knows no endpoint yet, and its loops are simulated."""

    def sleep(seconds: float) -> None:
        machine.at = machine.now() + seconds

    with contextlib.ExitStack() as stack:
        for name in ("monotonic", "perf_counter"):
            stack.enter_context(mock.patch.object(time, name, machine.now))
        stack.enter_context(mock.patch.object(time, "time", machine.wall_time))
        stack.enter_context(mock.patch.object(time, "sleep", sleep))
        defaults = limits.EndpointLimits.__init__.__kwdefaults__
        stack.enter_context(mock.patch.dict(defaults, clock=machine.now))
        stack.enter_context(mock.patch.dict(limits._shared, clear=True))
        turned = SimpleNamespace(Lock=threading.Lock, Thread=_thread(machine))
        stack.enter_context(mock.patch.object(writer, "threading", turned))
        stack.enter_context(mock.patch.object(calls, "BatchWriter", _writer(machine)))
        yield


def _thread(machine: Machine) -> type:
    class TurnedThread:
        """The ledger's writer: its work is done in turns of the loop, the rest when somebody waits for its end."""

        def __init__(self, target: Callable[[], None], **_: Any) -> None:
            self._target: Callable[[], None] | None = target

        def start(self) -> None:
            pass

        def join(self) -> None:
            target, self._target = self._target, None
            if target is not None and not machine.dead:
                target()

    return TurnedThread


def _writer(machine: Machine) -> type[writer.BatchWriter]:
    class TurnedWriter(writer.BatchWriter):
        """The real writer; a moment after each write it takes what waits, as the thread would."""

        async def write(self, work: Callable[[Any], Result]) -> Result:
            delay_s = machine.random.uniform(0.0, SLOWEST_WRITE_S)
            asyncio.get_running_loop().call_later(delay_s, self._turn)
            return await super().write(work)

        def write_now(self, work: Callable[[Any], Result]) -> Result:
            done = self._submit(work)
            self._turn()
            return done.result()

        def _turn(self) -> None:
            if not self._writes.empty() and not self._closed and (batch := self._next_batch()) is not None:
                self._commit(batch)

    return TurnedWriter
