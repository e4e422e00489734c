"""A model whose calls wait for their turn at the endpoint's limits."""

from cowest.errors import RateLimitError
from cowest.models.base import ChatModel
from cowest.models.limits import EndpointLimits
from cowest.types import ChatRequest, Completion


class Paced:
    """Starts each call when the endpoint's limits allow, and tells them how it ended.

    Args:
        limits: shared with every other model of the same endpoint and key.
    """

    def __init__(self, model: ChatModel, limits: EndpointLimits) -> None:
        self.model = model
        self.name = model.name
        self.identity = model.identity
        self.limits = limits

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation when the limits allow.

        Raises:
            RateLimitError: the endpoint refused the call; the next ones, this one's repetition included, wait.
            EndpointError: it has refused everything for so long that it is given up.
        """
        call = await self.limits.turn()
        try:
            completion = await self.model.complete(request)
        except RateLimitError as error:
            self.limits.refused(call, error)
            raise
        except BaseException:
            self.limits.failed(call)
            raise
        self.limits.answered(call, completion.usage.prompt_tokens + completion.usage.completion_tokens)
        return completion

    async def close(self) -> None:
        """Closes the model."""
        await self.model.close()
