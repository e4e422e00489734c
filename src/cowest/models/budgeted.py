"""A model with a hard cap on its cost."""

import asyncio
import logging
import math
from collections.abc import Callable
from weakref import WeakKeyDictionary

from cowest.errors import BudgetError, CompletionError, EndpointError, InputError
from cowest.ledger import Ledger
from cowest.models.base import ChatModel
from cowest.models.kept_call import KeptCall, current_call
from cowest.models.wrapper import WrapperModel
from cowest.types import ChatRequest, Completion, Usage

TOKENS_A_MESSAGE = 64
"""Upper bound on the tokens that a chat template puts around one message, and around them all."""

NO_LONGEST_REPLY = (
    "budget_usd is set for {name!r}, but no sampling.max_tokens, so that one call could cost more than the budget. Set "
    "sampling: {{max_tokens: 2048}}, or more for a model that reasons first."
)

_ROUNDING_USD = 1e-12
# Of the event loop, in which the calls that are waited for take over their bookings before a new one is refused.
_TURNS = 10

Cost = Callable[[Usage], float | None]
"""USD of a call with this usage; None where the price is not known."""


class Budgeted(WrapperModel):
    """Makes a call only if its worst case fits into what is left.

    The worst case is reserved before the call and given back after it: a prompt token for every byte of the prompt,
    since no tokenizer makes more, and `max_tokens` of completion. While other calls hold the rest of the budget, a call
    waits for them. A call that failed in a way that may have been billed stays reserved, and so does a reply that does
    not say credibly what it cost.

    Where a ledger keeps the call, its worst case is booked there before it is sent, and until its reply is kept.

    Args:
        model: what is called; each of its calls is one attempt that may be billed.
        budget_usd: the cap.
        cost: prices a usage.
        max_tokens: the cap on completions whose request has none; they are sent with it.
        was_sent: whether the model will wait for a request that was sent before, in place of sending it again; None
            for a model that always sends.

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
        was_sent: Callable[[ChatRequest], bool] | None = None,
    ) -> None:
        super().__init__(model)
        self.budget_usd = budget_usd
        self.spent_usd = 0.0
        self.reserved_usd = 0.0
        self._cost = cost
        self._max_tokens = max_tokens
        self._was_sent = was_sent
        self._excess = _Excess(self.name)
        self._counted: set[tuple[str, str, str]] = set()
        # A condition belongs to one event loop, and the stages of a run each have their own.
        self._changed: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Condition] = WeakKeyDictionary()
        if cost(Usage(prompt_tokens=1, completion_tokens=1)) is None:
            raise InputError(
                f"budget_usd is set for {self.name!r}, but its price is not known. Give it: price: {{input: .., "
                "output: ..} in USD per million tokens."
            )

    def count_earlier(self, ledger: Ledger, role: str) -> None:
        """Counts what earlier processes of the ledger's run spent in a role, or may have; a second time does nothing.

        Raises:
            InputError: a call without a limit on its completion was sent when there was no budget.
        """
        counted = (str(ledger.path.absolute()), ledger.run, role)
        if counted not in self._counted:
            self._counted.add(counted)
            ledger.bookings.book_earlier(role, lambda request: worst_case_usd(self._limited(request), self._cost))
            self.spent_usd += ledger.spend_usd(role) + ledger.bookings.possibly_billed_usd().get(role, 0.0)

    async def complete(self, request: ChatRequest) -> Completion:
        """Completes one conversation if the budget allows.

        Raises:
            BudgetError: what is left is less than the worst case of this call, and no call in flight can free more.
            InputError: neither the request nor the recipe limits the completion, so that there is no worst case.
        """
        request = self._limited(request)
        call = current_call()
        allowed_usd = worst_case_usd(request, self._cost)
        worst_usd = self._take_over(call, request)
        is_sent = worst_usd is not None
        if worst_usd is None:
            worst_usd = self._excess.factor * allowed_usd
            await self._reserve(worst_usd)
        billed_usd = worst_usd
        try:
            if call is not None and not is_sent:
                await call.book(worst_usd)
            is_sent = True
            completion = _with_credible_cost(await self.model.complete(request))
            if completion.cost_usd is not None:
                billed_usd = completion.cost_usd
                self._excess.see(billed_usd, allowed_usd)
            return completion
        except (EndpointError, CompletionError) as error:
            if not self._goes_on(request):
                billed_usd = worst_usd if error.may_be_billed else 0.0
                if call is not None:
                    await call.end(may_be_billed=error.may_be_billed)
            raise
        except asyncio.CancelledError:
            # What is being written gets to the ledger although nobody waits for it any more.
            if not is_sent or (self._was_sent is not None and not self._goes_on(request)):
                billed_usd = 0.0
                if call is not None:
                    await call.end(may_be_billed=False)
            raise
        finally:
            self.spent_usd += billed_usd
            self.reserved_usd -= worst_usd
            changed = self._condition()
            async with changed:
                changed.notify_all()

    def _take_over(self, call: KeptCall | None, request: ChatRequest) -> float | None:
        """What is booked for a call that an earlier process sent and that is waited for; None for a new call."""
        if call is None or not self._goes_on(request):
            return None
        booked_usd = call.booked_usd()
        if booked_usd is not None:
            self.spent_usd -= booked_usd
            self.reserved_usd += booked_usd
        return booked_usd

    def _goes_on(self, request: ChatRequest) -> bool:
        """Whether the request is under way without this process, so that what is booked for it stays booked."""
        return self._was_sent is not None and self._was_sent(request)

    def _limited(self, request: ChatRequest) -> ChatRequest:
        if request.sampling.max_tokens is not None:
            return request
        if self._max_tokens is None:
            raise InputError(NO_LONGEST_REPLY.format(name=self.name))
        sampling = request.sampling.model_copy(update={"max_tokens": self._max_tokens})
        return request.model_copy(update={"sampling": sampling})

    async def _reserve(self, worst_usd: float) -> None:
        num_turns = 0 if self._was_sent is None else _TURNS
        while num_turns and not self._has_room(worst_usd):
            await asyncio.sleep(0)
            num_turns -= 1
        changed = self._condition()
        async with changed:
            while not self._has_room(worst_usd):
                if self.reserved_usd <= _ROUNDING_USD or self.spent_usd + worst_usd > self.budget_usd:
                    raise BudgetError(
                        f"The budget of {self.name!r} is reached: ${self.spent_usd:.4f} of ${self.budget_usd:.4f} are "
                        f"spent or may have been, and the next call could cost up to ${worst_usd:.4f}. Everything "
                        f"paid for is kept; raise budget_usd and run the same command again to go on.{self._excess}"
                    )
                await changed.wait()
            self.reserved_usd += worst_usd

    def _has_room(self, worst_usd: float) -> bool:
        return self.spent_usd + self.reserved_usd + worst_usd <= self.budget_usd

    def _condition(self) -> asyncio.Condition:
        return self._changed.setdefault(asyncio.get_running_loop(), asyncio.Condition())


class _Excess:
    """What replies cost beyond their worst case: the endpoint bills more than it was allowed.

    Attributes:
        factor: the most that a reply has cost in its worst case; the next ones are taken to cost as much.
    """

    def __init__(self, name: str) -> None:
        self.factor = 1.0
        self._name = name
        self._num_replies = 0
        self._usd = 0.0

    def see(self, cost_usd: float, allowed_usd: float) -> None:
        if cost_usd > allowed_usd + _ROUNDING_USD:
            if not self._num_replies:
                logging.getLogger(__name__).warning(
                    "%s billed $%.4f for a call that max_tokens and the price limit to $%.4f. The next calls are taken "
                    "to cost as much more; those in flight can exceed budget_usd.",
                    self._name,
                    cost_usd,
                    allowed_usd,
                )
            self.factor = max(self.factor, cost_usd / allowed_usd) if allowed_usd else self.factor
            self._num_replies += 1
            self._usd += cost_usd - allowed_usd

    def __str__(self) -> str:
        if not self._num_replies:
            return ""
        return (
            f" By its own count the endpoint billed more for {self._num_replies} replies than their max_tokens and the "
            f"price allow, ${self._usd:.4f} in all; calls in flight at that moment can exceed a budget."
        )


def _with_credible_cost(completion: Completion) -> Completion:
    """The completion; with no cost where the one that it has cannot be true."""
    cost_usd = completion.cost_usd
    if cost_usd is None:
        return completion
    is_counted = completion.usage.prompt_tokens > 0 and completion.usage.completion_tokens >= 0
    if math.isfinite(cost_usd) and (cost_usd > 0 or (cost_usd == 0 and is_counted)):
        return completion
    return completion.model_copy(update={"cost_usd": None})


def worst_case_usd(request: ChatRequest, cost: Cost) -> float:
    """What a request with `max_tokens` can cost at most."""
    num_bytes = sum(len(message.content.encode("utf-8", "surrogatepass")) for message in request.messages)
    prompt_tokens = num_bytes + TOKENS_A_MESSAGE * (len(request.messages) + 1)
    usage = Usage(prompt_tokens=prompt_tokens, completion_tokens=request.sampling.max_tokens or 0)
    return cost(usage) or 0.0
