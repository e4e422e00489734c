"""A model without the log-probabilities of its replies, which a large ledger need not keep."""

from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion


class WithoutLogprobs(WrapperModel):
    """Leaves tokens and their log-probabilities out of every completion."""

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation."""
        completion = await self.model.complete(request)
        return completion.model_copy(update={"tokens": None, "token_logprobs": None})
