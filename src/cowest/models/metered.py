"""A connection in use for one role of a run: its replies are counted, and kept where there is a ledger."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from cowest import words
from cowest.ledger import Ledger
from cowest.models.connection import Connection
from cowest.models.ledgered import Ledgered
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion, Usage

_spent: ContextVar[list[tuple[str, float | None]] | None] = ContextVar("spent", default=None)


@contextlib.contextmanager
def spending() -> Iterator[list[tuple[str, float | None]]]:
    """Yields a list that gets the role and the cost of each completion of this task and of those that it starts."""
    seen: list[tuple[str, float | None]] = []
    before = _spent.set(seen)
    try:
        yield seen
    finally:
        _spent.reset(before)


class Metered(WrapperModel):
    """Sums the completions that went through it, those from the ledger included.

    A run that was resumed therefore reports the same sums as one that was not.

    Args:
        connection: what is called; it may be in use for other roles too.
        role: what the model is in the run, e.g. "strong": the name its calls are kept and counted under.
        ledger: where its calls are kept; None keeps nothing.

    Attributes:
        num_calls: completions; failures do not count.
        usage: their tokens.
        cost_usd: their money; None once one of them has no known price.
    """

    def __init__(self, connection: Connection, role: str, ledger: Ledger | None = None) -> None:
        self._ledgered = None
        if ledger is not None:
            self._ledgered = Ledgered(connection, ledger, role, is_booked=connection.budget is not None)
            if connection.budget is not None:
                connection.budget.count_earlier(ledger, role)
        super().__init__(self._ledgered or connection)
        self.connection = connection
        self.role = role
        self.ledger = ledger
        self.num_calls = 0
        self.usage = Usage()
        self.cost_usd: float | None = 0.0

    def __repr__(self) -> str:
        return f"<model {self.name}, {words.plural(self.num_calls, 'call')}, {words.money(self.cost_usd)}>"

    @property
    def num_paid(self) -> int:
        """Completions that this process called the model for."""
        return self.num_calls - (0 if self._ledgered is None else self._ledgered.num_hits)

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation and counts it."""
        completion = await self.model.complete(request)
        self.num_calls += 1
        self.usage += completion.usage
        if (seen := _spent.get()) is not None:
            seen.append((self.role, completion.cost_usd))
        unknown = self.cost_usd is None or completion.cost_usd is None
        self.cost_usd = None if unknown else (self.cost_usd or 0.0) + (completion.cost_usd or 0.0)
        return completion
