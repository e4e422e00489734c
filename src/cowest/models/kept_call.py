"""The call that is being made, as the ledger keeps it: a budget books each attempt at it there before it is sent."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from cowest.ledger import Ledger
from cowest.types import ChatRequest


@dataclass(frozen=True)
class KeptCall:
    """A call whose reply will be kept: where, and under which key."""

    ledger: Ledger
    key: str
    role: str
    model: str
    request: ChatRequest

    async def book(self, worst_usd: float) -> None:
        """Says that it is about to be sent and what it may cost at most; returns when that is on disk."""
        await self.ledger.bookings.book(self.key, self.role, self.model, self.request, worst_usd)

    async def end(self, *, may_be_billed: bool) -> None:
        """Says that it got no reply; returns when that is on disk."""
        await self.ledger.bookings.end(self.key, may_be_billed=may_be_billed)

    def booked_usd(self) -> float | None:
        """What an earlier attempt at it has booked and no reply has settled."""
        return self.ledger.bookings.of_call(self.key)


_current: ContextVar[KeptCall | None] = ContextVar("the call that is being made", default=None)


@contextlib.contextmanager
def keeping(call: KeptCall) -> Iterator[None]:
    """Makes `call` the current one of this task."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


def current_call() -> KeptCall | None:
    """The call that this task makes; None where no ledger keeps it."""
    return _current.get()
