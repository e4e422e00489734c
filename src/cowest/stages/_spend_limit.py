"""What a round of feedback may spend: its queries are admitted one after the other while the money lasts."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from cowest.annotators import COMPARING
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.judge import BaseJudge
from cowest.models import Metered
from cowest.models.budgeted import Cost, worst_case_usd
from cowest.types import Example, Sampling, Usage

_BYTES_A_TOKEN = 4
"""Of a draft or an output at its `max_tokens`, each byte of which is counted as a token of the prompt that holds it."""

_TEMPLATE_BYTES = 4096
"""Upper bound on what the judge's template adds around a reference and an output."""

_ASKED_AT_MOST = 2
"""Times that a judge is asked for one verdict: an unreadable reply is asked for once more."""


class SpendLimit:
    """Admits queries in their order while what they may cost fits into the limit.

    A query is admitted if what all before it have cost, and its own worst case, are within the limit. Those in flight
    count at their worst, and where that is too much, it waits for them. So the first query that is not admitted is the
    same however the calls are timed, and however often the round was stopped.

    Args:
        usd: the limit.
        worst_usd: what a query may cost at most.
    """

    def __init__(self, usd: float, worst_usd: Callable[[Example], float]) -> None:
        self._left_usd = usd
        self._worst_usd = worst_usd
        self._num_arrived = 0
        self._next = 0
        self._num_inside = 0
        self._is_over = False
        self._changed = asyncio.Condition()

    async def admit(self, example: Example) -> bool:
        """Whether the query may be worked on; called for the queries in their order, one task each."""
        place, self._num_arrived = self._num_arrived, self._num_arrived + 1
        worst_usd = self._worst_usd(example)
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_over or self._next == place)
            await self._changed.wait_for(lambda: self._is_over or worst_usd <= self._left_usd or self._num_inside == 0)
            if self._is_over or worst_usd > self._left_usd:
                self._is_over = True
                self._changed.notify_all()
                return False
            self._left_usd -= worst_usd
            self._num_inside += 1
            self._next += 1
            self._changed.notify_all()
            return True

    async def leave(self, example: Example, costs: Sequence[float | None]) -> None:
        """Gives back what an admitted query did not cost.

        Args:
            costs: of its calls; where one is not known, the query counts at its worst.
        """
        known = [cost for cost in costs if cost is not None]
        worst_usd = self._worst_usd(example)
        async with self._changed:
            if len(known) == len(costs):
                self._left_usd += worst_usd - sum(known)
            self._num_inside -= 1
            self._changed.notify_all()


def spend_limit(
    usd: float, kind: str, samples: int, collaboration: Collaboration, judge: BaseJudge, roles: Mapping[str, Metered]
) -> SpendLimit:
    """The limit on what a round's strong and judge calls may cost.

    Args:
        kind, samples: of the feedback.
        roles: the models by role; those that are paid must have a price.

    Raises:
        InputError: see `require_worst_case`.
    """
    asked = {role: model.connection.cost for role, model in roles.items() if role != "weak"}
    paid = require_worst_case(kind, asked, collaboration.weak_sampling, collaboration.strong_sampling)
    return SpendLimit(usd, lambda example: _worst_usd(example, samples, collaboration, judge, paid))


def require_worst_case(
    kind: str, asked: Mapping[str, Cost | None], weak_sampling: Sampling, strong_sampling: Sampling
) -> dict[str, Cost]:
    """Checks that what a query costs at most is known; returns what prices the paid calls, by role.

    Args:
        kind: of the feedback.
        asked: prices the calls of strong and judge, by role; None for those that cost nothing.

    Raises:
        InputError: nothing is paid for, a price or `max_tokens` is missing, or the kind compares drafts.
    """
    if kind in COMPARING:
        raise InputError(
            f"feedback.spend counts strong and judge calls, and feedback.kind {kind} compares drafts by other calls. "
            "Leave spend out and give feedback.queries."
        )
    paid = {role: cost for role, cost in asked.items() if cost is not None}
    if not paid:
        raise InputError(
            "feedback.spend is set, but the calls of strong and judge cost nothing here. Give feedback.queries instead."
        )
    if unpriced := [role for role, cost in paid.items() if cost(Usage(prompt_tokens=1)) is None]:
        raise InputError(
            f"feedback.spend is set, but the price of {', '.join(unpriced)} is not known. Give it: "
            "price: {input: .., output: ..} in USD per million tokens."
        )
    longest = {"weak": weak_sampling.max_tokens, "strong": strong_sampling.max_tokens}
    if unlimited := [f"{role}.sampling.max_tokens" for role, tokens in longest.items() if tokens is None]:
        raise InputError(f"feedback.spend is set, and without {' and '.join(unlimited)} a query has no worst case.")
    return paid


def _worst_usd(
    example: Example, samples: int, collaboration: Collaboration, judge: BaseJudge, paid: Mapping[str, Cost]
) -> float:
    longest_draft = "x" * (_BYTES_A_TOKEN * (collaboration.weak_sampling.max_tokens or 0))
    longest_output = collaboration.strong_sampling.max_tokens or 0
    strong_usd = 0.0
    if (cost := paid.get("strong")) is not None:
        refine = worst_case_usd(collaboration.refine_request(example.query, longest_draft), cost)
        strong_usd = worst_case_usd(collaboration.solo_request(example.query), cost) + samples * refine
    judged = len("".join((example.query, example.explanation or "", *example.references)).encode("utf-8", "replace"))
    verdict = Usage(
        prompt_tokens=_TEMPLATE_BYTES + judged + 2 * _BYTES_A_TOKEN * longest_output,
        completion_tokens=longest_output,
    )
    judges = [cost for role, cost in paid.items() if role != "strong"]
    verdict_usd = max((cost(verdict) or 0.0 for cost in judges), default=0.0)
    num_verdicts = judge.num_calls_per_solo + samples * judge.num_calls_per_verdict
    return strong_usd + _ASKED_AT_MOST * num_verdicts * verdict_usd
