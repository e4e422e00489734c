"""A model with a hard cap on its cost."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from weakref import WeakKeyDictionary

from cowest.errors import BudgetError, CompletionError, InputError, TransientEndpointError
from cowest.models.base import ChatModel
from cowest.models.call_status import before_sending
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion, Usage

TOKENS_A_MESSAGE = 64
"""Upper bound on the tokens that a chat template puts around one message, and around them all."""

_ROUNDING_USD = 1e-12

Cost = Callable[[Usage], float | None]
"""USD of a call with this usage; None where the price is not known."""


class Budgeted(WrapperModel):
    """Makes a call only if its worst case fits into what is left.

    The worst case is reserved before the call and given back after it: a prompt token for every byte of the prompt,
    since no tokenizer makes more, and `max_tokens` of completion. While other calls hold the rest of the budget, a call
    waits for them. A call that failed in a way that may have been billed stays reserved.

    Args:
        budget_usd: the cap.
        cost: prices a usage.
        max_tokens: the cap on completions whose request has none; they are sent with it.
        keep_failure: keeps the USD that a failed call may have cost, since a budget outlives the process; None keeps
            nothing.

    Raises:
        InputError: the price is not known, so that no budget can be kept.
    """

    def __init__(
        self,
        model: ChatModel,
        budget_usd: float,
        *,
        cost: Cost,
        max_tokens: int | None = None,
        keep_failure: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(model)
        self.budget_usd = budget_usd
        self.spent_usd = 0.0
        self.reserved_usd = 0.0
        self._cost = cost
        self._max_tokens = max_tokens
        self._keep_failure = keep_failure
        # A condition belongs to one event loop, and the stages of a run each have their own.
        self._changed: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Condition] = WeakKeyDictionary()
        if cost(Usage(prompt_tokens=1, completion_tokens=1)) is None:
            raise InputError(
                f"budget_usd is set for {self.name!r}, but its price is not known. Give it: price: {{input: .., "
                "output: ..} in USD per million tokens."
            )

    def add_earlier_spend(self, usd: float, unanswered: Iterable[ChatRequest] = ()) -> None:
        """Counts what earlier processes of the same run spent.

        Args:
            usd: of the replies that were kept.
            unanswered: calls that were sent, or about to be, and of which no reply was kept: they may have been billed.
        """
        limited = (self._limited(request) for request in unanswered)
        self.spent_usd += usd + sum(worst_case_usd(request, self._cost) for request in limited)

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation if the budget allows.

        Raises:
            BudgetError: what is left is less than the worst case of this call, and no call in flight can free more.
            InputError: neither the request nor the recipe limits the completion, so that there is no worst case.
        """
        request = self._limited(request)
        worst_usd = worst_case_usd(request, self._cost)
        with before_sending():
            await self._reserve(worst_usd)
        try:
            completion = await self.model.complete(request)
            self.spent_usd += worst_usd if completion.cost_usd is None else completion.cost_usd
            return completion
        except (TransientEndpointError, CompletionError) as error:
            if error.may_be_billed:
                self.spent_usd += worst_usd
                if self._keep_failure is not None:
                    await self._keep_failure(worst_usd)
            raise
        except asyncio.CancelledError:
            self.spent_usd += worst_usd
            raise
        finally:
            self.reserved_usd -= worst_usd
            changed = self._condition()
            async with changed:
                changed.notify_all()

    def _limited(self, request: ChatRequest) -> ChatRequest:
        if request.sampling.max_tokens is not None:
            return request
        if self._max_tokens is None:
            raise InputError(
                f"budget_usd is set for {self.name!r}, but no sampling.max_tokens, so that one call could cost more "
                "than the budget. Set sampling: {max_tokens: 2048}, or more for a model that reasons first."
            )
        sampling = request.sampling.model_copy(update={"max_tokens": self._max_tokens})
        return request.model_copy(update={"sampling": sampling})

    async def _reserve(self, worst_usd: float) -> None:
        changed = self._condition()
        async with changed:
            while self.spent_usd + self.reserved_usd + worst_usd > self.budget_usd:
                if self.reserved_usd <= _ROUNDING_USD or self.spent_usd + worst_usd > self.budget_usd:
                    raise BudgetError(
                        f"The budget of {self.name!r} is reached: ${self.spent_usd:.4f} of ${self.budget_usd:.4f} are "
                        f"spent or may have been, and the next call could cost up to ${worst_usd:.4f}. Everything "
                        "paid for is kept; raise budget_usd and run the same command again to go on."
                    )
                await changed.wait()
            self.reserved_usd += worst_usd

    def _condition(self) -> asyncio.Condition:
        return self._changed.setdefault(asyncio.get_running_loop(), asyncio.Condition())


def worst_case_usd(request: ChatRequest, cost: Cost) -> float:
    """What a request with `max_tokens` can cost at most."""
    num_bytes = sum(len(message.content.encode("utf-8", "surrogatepass")) for message in request.messages)
    prompt_tokens = num_bytes + TOKENS_A_MESSAGE * (len(request.messages) + 1)
    usage = Usage(prompt_tokens=prompt_tokens, completion_tokens=request.sampling.max_tokens or 0)
    return cost(usage) or 0.0
