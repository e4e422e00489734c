"""An endpoint without sockets that bills what it takes, fails in many ways, and is killed with the process or not.

Time is virtual: an event loop whose waits take no time.
"""

import asyncio
import selectors
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Self

from cowest.errors import BrokenReplyError, CompletionError, RateLimitError, TransientEndpointError
from cowest.models.base import BaseChatModel
from cowest.models.budgeted import worst_case_usd
from cowest.models.config import ModelConfig
from cowest.types import ChatRequest, Completion, Usage

FAULTS = ("no cost", "nan", "infinite", "negative", "zero", "busy", "cut off", "broken", "filtered", "refused")
"""Ways in which a call can go wrong, or its cost can be told wrongly."""

BILLED_FAILURES: dict[str, Callable[[], Exception]] = {
    "cut off": lambda: TransientEndpointError("cut off", may_be_billed=True),
    "broken": lambda: BrokenReplyError("no finish reason", may_be_billed=True),
    "filtered": lambda: CompletionError("filtered", may_be_billed=True),
}
FREE_FAILURES: dict[str, Callable[[], Exception]] = {
    "busy": lambda: TransientEndpointError("busy"),
    "refused": lambda: RateLimitError("slow down", 1.0),
}
TOLD = {"no cost": None, "nan": float("nan"), "infinite": float("inf"), "negative": -5.0, "zero": 0.0}


@dataclass
class Bills:
    """What the server has billed, whoever has heard of it.

    Attributes:
        faults: those that occur, each as often as the others.
        fault_share: of calls.
        excess: how much more than its worst case a call may cost, as a factor; 1 for a server that is honest.
        is_cut_off: whether the calling process is dead: it sends nothing more, and hears nothing more.
        unheard_usd: billed beyond the worst case of a call in replies that nobody got.
    """

    random: Random
    faults: tuple[str, ...] = FAULTS
    fault_share: float = 0.3
    excess: float = 1.0
    paid_usd: float = 0.0
    unheard_usd: float = 0.0
    largest_excess_usd: float = 0.0
    num_calls: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    is_cut_off: bool = False

    async def answer(self, request: ChatRequest, config: ModelConfig) -> Completion:
        if self.is_cut_off:
            await asyncio.Event().wait()
        self.num_calls += 1
        kind = self.random.choice(self.faults) if self.random.random() < self.fault_share else "ok"
        worst_usd = worst_case_usd(request, config.cost_usd)
        usd = 0.0 if kind in FREE_FAILURES else worst_usd * self.random.uniform(0.05, self.excess)
        self.paid_usd += usd
        excess_usd = max(0.0, usd - worst_usd)
        self.largest_excess_usd = max(self.largest_excess_usd, excess_usd)
        self.unheard_usd += excess_usd
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.random.choice((0.0, 0.3, 3.0)))
            if self.is_cut_off:
                await asyncio.Event().wait()
        finally:
            self.in_flight -= 1
        if failure := (BILLED_FAILURES | FREE_FAILURES).get(kind):
            raise failure()
        usage = Usage() if kind == "zero" else Usage(prompt_tokens=10, completion_tokens=5)
        return Completion(text="t", finish_reason="stop", usage=usage, cost_usd=TOLD.get(kind, usd))


@dataclass
class Endpoint(BaseChatModel):
    """The provider: `tests.billing:Endpoint/NAME`; every one of a process calls the same server."""

    config: ModelConfig
    name: str = ""
    identity: str = "billing"
    in_process: bool = field(default=False, init=False)  # type: ignore[assignment]

    @classmethod
    def from_config(cls, config: ModelConfig, seed: int) -> Self:
        return cls(config, config.model)

    async def complete(self, request: ChatRequest) -> Completion:
        return await SERVER[0].answer(request, self.config)

    async def close(self) -> None:
        pass


SERVER: list[Bills] = []


class _NoWaiting(selectors.DefaultSelector):
    """Waits for the threads of the ledger only; a timer's wait is skipped."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(timeout if timeout is None else min(timeout, 0.0002))
        if not ready and timeout:
            self.skipped_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        self._waits = _NoWaiting()
        super().__init__(self._waits)

    def time(self) -> float:
        return super().time() + self._waits.skipped_s


def run(work: Coroutine[Any, Any, None]) -> None:
    """Runs in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work)


def snapshot(ledger: Path, to: Path) -> None:
    """What a kill at this moment leaves of a ledger."""
    with sqlite3.connect(ledger) as source, sqlite3.connect(to) as target:
        source.backup(target)
