"""A model that counts what it was asked for."""

from cowest.models.base import ChatModel
from cowest.types import ChatRequest, Completion, Usage


class Metered:
    """Sums the completions that went through it, those from the ledger included.

    A run that was resumed therefore reports the same sums as one that was not.

    Attributes:
        role: what the model is in the run.
        num_calls: completions; failures do not count.
        usage: their tokens.
        cost_usd: their money; None once one of them has no known price.
    """

    def __init__(self, model: ChatModel, role: str) -> None:
        self.model = model
        self.role = role
        self.name = model.name
        self.identity = model.identity
        self.num_calls = 0
        self.usage = Usage()
        self.cost_usd: float | None = 0.0

    @property
    def num_paid(self) -> int:
        """Completions that this process called the model for."""
        return self.num_calls - int(getattr(self.model, "num_hits", 0))

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation and counts it."""
        completion = await self.model.complete(request)
        self.num_calls += 1
        self.usage += completion.usage
        unknown = self.cost_usd is None or completion.cost_usd is None
        self.cost_usd = None if unknown else (self.cost_usd or 0.0) + (completion.cost_usd or 0.0)
        return completion

    async def close(self) -> None:
        """Closes the model."""
        await self.model.close()
