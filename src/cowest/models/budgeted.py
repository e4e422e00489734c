"""A model with a hard cap on its money."""

import asyncio
from weakref import WeakKeyDictionary

from cowest.errors import BudgetError, InputError
from cowest.models.base import ChatModel
from cowest.types import ChatRequest, Completion


class Budgeted:
    """Refuses a call that could take the spend over the budget.

    Before a call the price of the dearest one so far is set aside, also for those in flight. The first call goes
    alone, because nothing is known before it. A call far dearer than all before it can still go over by its excess.

    Args:
        spent_usd: what the role has cost before, in earlier processes of the same run.
    """

    def __init__(self, model: ChatModel, budget_usd: float, spent_usd: float = 0.0) -> None:
        self.model = model
        self.name = model.name
        self.identity = model.identity
        self.budget_usd = budget_usd
        self.spent_usd = spent_usd
        self._dearest_usd: float | None = None
        self._num_in_flight = 0
        # A lock belongs to one event loop, and the stages of a run each have their own.
        self._first: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation if the budget allows.

        Raises:
            BudgetError: it does not.
            InputError: the price of the model is unknown, so that no budget can be kept.
        """
        if self._dearest_usd is None:
            async with self._first.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
                if self._dearest_usd is None:
                    return await self._complete(request)
        return await self._complete(request)

    async def close(self) -> None:
        """Closes the model."""
        await self.model.close()

    async def _complete(self, request: ChatRequest) -> Completion:
        reserved = (self._num_in_flight + 1) * (self._dearest_usd or 0.0)
        if self.spent_usd >= self.budget_usd or self.spent_usd + reserved > self.budget_usd:
            raise BudgetError(
                f"The budget of {self.name!r} is reached: ${self.spent_usd:.4f} of ${self.budget_usd:.4f} are spent, "
                f"and the next call could cost ${self._dearest_usd or 0.0:.4f}. Everything paid for is kept; raise "
                "budget_usd and run the same command again to go on."
            )
        self._num_in_flight += 1
        try:
            completion = await self.model.complete(request)
        finally:
            self._num_in_flight -= 1
        if completion.cost_usd is None:
            raise InputError(
                f"budget_usd is set for {self.name!r}, but its price is not known. Give it: price: {{input: .., "
                "output: ..} in USD per million tokens."
            )
        self.spent_usd += completion.cost_usd
        self._dearest_usd = max(self._dearest_usd or 0.0, completion.cost_usd)
        return completion
