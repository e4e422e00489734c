"""A model whose calls wait for their turn at the endpoint's limits."""

from cowest.errors import RateLimitError
from cowest.models.base import ChatModel
from cowest.models.limits import EndpointLimits
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion


class Paced(WrapperModel):
    """Starts each call when the endpoint's limits allow, and reports to them how it ended.

    Args:
        model: what is called.
        limits: shared with every other model of the same endpoint and key. Whoever makes them has them listen to the
            headers of the endpoint's replies.
    """

    def __init__(self, model: ChatModel, limits: EndpointLimits) -> None:
        super().__init__(model)
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
