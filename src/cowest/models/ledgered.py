"""A model whose replies are paid for once."""

import asyncio

from cowest.ledger import Ledger
from cowest.models.base import ChatModel
from cowest.models.call_status import watch_call
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion


class Ledgered(WrapperModel):
    """Asks the ledger before the model, and keeps what the model says.

    Equal requests in flight at the same time are sent once: the others wait for the first, and one of them tries
    itself if the first failed. Closing it leaves the ledger open, which belongs to whoever opened it.

    Attributes:
        num_hits: replies that were not paid for again.
    """

    def __init__(self, model: ChatModel, ledger: Ledger, role: str) -> None:
        super().__init__(model)
        self.ledger = ledger
        self.role = role
        self.num_hits = 0

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation, from the ledger where it is known."""
        key = self.ledger.key(self.role, self.name, self.identity, request)
        while (known := self.ledger.lookup(key)) is None:
            others_turn = self.ledger.begin(key)
            if others_turn is None:
                return await self._pay(key, request)
            await asyncio.wrap_future(others_turn)
        self.num_hits += 1
        return known

    async def _pay(self, key: str, request: ChatRequest) -> Completion:
        try:
            known = self.ledger.lookup(key)  # another's turn may have ended between the look and the turn
            if known is not None:
                self.num_hits += 1
                return known
            is_intended = False
            with watch_call() as call:
                try:
                    await self.ledger.intend(key, self.role, self.name, request)
                    is_intended = True
                    completion = await self.model.complete(request)
                except BaseException as error:
                    # Who is cancelled while the intent is being written has sent nothing, but the intent gets there.
                    if call.is_unsent or (not is_intended and isinstance(error, asyncio.CancelledError)):
                        await self.ledger.withdraw(key)
                    raise
            return await self.ledger.settle(key, completion)
        finally:
            self.ledger.end(key)
