"""An event loop in virtual time whose wake-ups come in an order that the seed decides."""

import asyncio
import contextlib
from collections import deque
from typing import Any

from looptime import LoopTimeEventLoop

from tests.simulation.machine import Hang, Killed, Machine


class SimulatedLoop(LoopTimeEventLoop, asyncio.SelectorEventLoop):
    """looptime's virtual time, with one wake-up at a time, and with kills between any two of them."""

    _ready: deque[Any]
    _scheduled: list[Any]
    _stopping: bool

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        super().__init__(start=machine.now(), noop_cycles=0)
        machine.loop = self
        self._main: asyncio.Task[Any] | None = None

    def run_until_complete(self, future: Any) -> Any:
        """Runs until a task is done, which is the one that Ctrl-C cancels."""
        self._main = future if isinstance(future, asyncio.Task) else None
        return super().run_until_complete(future)

    def _run_once(self) -> None:
        machine, ready = self._machine, self._ready
        machine.step("wake")
        if machine.is_interrupted() and self._main is not None:
            self._main.cancel()
        held: list[Any] = []
        if len(ready) > 1:
            index = 0 if machine.in_order else machine.random.randrange(len(ready))
            chosen = ready[index]
            del ready[index]
            held = list(ready)
            ready.clear()
            ready.append(chosen)
        elif not ready and not self._scheduled and not self._stopping:
            raise Hang("nothing is scheduled, and somebody waits")
        if self.time() > machine.ends_at:
            raise Hang(f"not done after {machine.deadline_s:g} virtual seconds")
        super()._run_once()  # type: ignore[misc]
        ready.extendleft(reversed(held))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._machine.dead:
            self._machine.note(f"!! {context.get('message')}: {context.get('exception')!r}")

    def close(self) -> None:
        """Closes the loop; of a process that was killed no task goes on, whatever it wanted to do at its end."""
        self._machine.now()
        if self._machine.dead:
            for task in asyncio.all_tasks(self):
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with contextlib.suppress(BaseException):
                    task.get_coro().close()  # type: ignore[union-attr]
        super().close()


class SimulatedPolicy(asyncio.DefaultEventLoopPolicy):
    """Makes every new loop of this process a simulated one."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        if self._machine.dead:
            raise Killed(1)
        return SimulatedLoop(self._machine)
