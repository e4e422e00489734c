"""A model whose replies are paid for once."""

import asyncio

from cowest.ledger import Ledger
from cowest.models.base import ChatModel
from cowest.models.kept_call import KeptCall, keeping
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion


class Ledgered(WrapperModel):
    """Asks the ledger before the model, and keeps what the model says.

    Equal requests in flight at the same time are sent once: the others wait for the first, and one of them tries
    itself if the first failed. Closing it leaves the ledger open, which belongs to whoever opened it.

    Args:
        model: what is called.
        ledger: where replies are kept.
        role: the name that they are kept under.
        is_booked: whether the model has a budget, and so books each call in the ledger before it is sent.

    Attributes:
        num_hits: replies that were not paid for again.
    """

    def __init__(self, model: ChatModel, ledger: Ledger, role: str, *, is_booked: bool = False) -> None:
        super().__init__(model)
        self.ledger = ledger
        self.role = role
        self.num_hits = 0
        self._is_booked = is_booked

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation, from the ledger where it is known."""
        key = self.ledger.key(self.role, self.name, self.identity, request)
        # The turn comes before the look: what another one keeps in its turn would be missed after it.
        while (others_turn := self.ledger.begin(key)) is not None:
            await asyncio.wrap_future(others_turn)
        try:
            known = await self.ledger.find(key)
            if known is not None:
                self.num_hits += 1
                return known
            if not self._is_booked:
                await self.ledger.intend(key, self.role, self.name, request)
            with keeping(KeptCall(self.ledger, key, self.role, self.name, request)):
                completion = await self.model.complete(request)
            return await self.ledger.settle(key, completion)
        finally:
            self.ledger.end(key)
