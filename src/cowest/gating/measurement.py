"""Measures examples under each arm of a gate: the draft alone, the strong model alone, and both."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from cowest import synchronous
from cowest.collaboration import Collaboration
from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError, EndpointError, InputError
from cowest.gating.confidence import confidence
from cowest.gating.search import Outcomes
from cowest.pricing import total_usd
from cowest.progress import progress_bar
from cowest.records import ARMS, Arm, ArmOutcome, MeasuredExample
from cowest.tasks.base import Task
from cowest.types import Answer, Completion, Example

CostOf = Callable[[Literal["weak", "strong"], Completion], float | None]
"""USD of a call, from the model's role and the completion; None where no price is known."""


def measure(
    name: str,
    examples: Sequence[Example],
    pair: Collaboration,
    task: Task,
    cost_of: CostOf,
    num_in_flight: int | None,
    arms_for: Callable[[float | None], Sequence[Arm]] = lambda confidence: ARMS,
) -> list[MeasuredExample]:
    """Measures examples, all drafts first, so that a weak model without log-probabilities shows before money is spent.

    Args:
        name: of the split, for the progress bar.
        arms_for: the arms to measure, from the draft's confidence; the draft is always measured.

    Raises:
        InputError: no draft has log-probabilities.
        EndpointError: every example failed.
    """

    async def measure_all() -> list[MeasuredExample]:
        drafts = await _draft_all(name, examples, pair, num_in_flight)
        await pair.weak.close()
        _require_logprobs([draft for draft in drafts if isinstance(draft, Completion)], pair.weak.name, name)
        with progress_bar(f"gate {name}", total=len(examples)) as bar:

            async def work(item: tuple[Example, Completion | CompletionError]) -> MeasuredExample:
                example, drafted = item
                try:
                    if isinstance(drafted, CompletionError):
                        raise drafted
                    return await _measure(example, drafted, pair, task, cost_of, arms_for(confidence(drafted)))
                except CompletionError as error:
                    return MeasuredExample(id=example.id, error=str(error))
                finally:
                    bar.advance(1)

            return await map_in_flight(work, list(zip(examples, drafts, strict=True)), num_in_flight)

    groups = task.groups(examples)
    rows = [
        row.model_copy(update={"group": group})
        for row, group in zip(synchronous.run(measure_all()), groups, strict=True)
    ]
    if all(row.error is not None for row in rows):
        raise EndpointError(
            f"Every example of the {name} split failed. The first error: {rows[0].error} What was paid for is kept; "
            "fix the cause and run the same command again."
        )
    return rows


async def _draft_all(
    name: str, examples: Sequence[Example], pair: Collaboration, num_in_flight: int | None
) -> list[Completion | CompletionError]:
    """A draft of each example, or the error of its call."""
    with progress_bar(f"gate {name}, drafts", total=len(examples)) as bar:

        async def draft(example: Example) -> Completion | CompletionError:
            try:
                return await pair.draft(example.query)
            except CompletionError as error:
                return error
            finally:
                bar.advance(1)

        return await map_in_flight(draft, examples, num_in_flight)


async def _measure(
    example: Example, draft: Completion, pair: Collaboration, task: Task, cost_of: CostOf, arms: Sequence[Arm]
) -> MeasuredExample:
    def outcome(answer: Answer, *strong: Completion) -> ArmOutcome:
        costs = [cost_of("weak", draft), *(cost_of("strong", each) for each in strong)]
        return ArmOutcome(
            score=task.score(example, answer)[task.metric],
            cost_usd=total_usd(costs),
            strong_tokens=sum(each.usage.prompt_tokens + each.usage.completion_tokens for each in strong),
        )

    outcomes: dict[Arm, ArmOutcome] = {"draft": outcome(pair.read_draft(task, example, draft.text))}
    if "strong" in arms:
        solo = await pair.solo(example.query)
        outcomes["strong"] = outcome(task.parse(example, solo.text), solo)
    if "both" in arms:
        refined = await pair.refine(example.query, draft.text)
        outcomes["both"] = outcome(task.parse(example, refined.text), refined)
    return MeasuredExample(id=example.id, confidence=confidence(draft), arms=outcomes)


def _require_logprobs(drafts: Sequence[Completion], weak: str, split: str) -> None:
    if drafts and not any(draft.token_logprobs for draft in drafts):
        raise InputError(
            f"The weak model {weak!r} gave no log-probabilities with its drafts of {split}, so nothing says how sure "
            "it is, and that is never guessed. Use an endpoint that gives them (weak.options: {logprobs: true}), or "
            f"leave serve.gate at `always`. The strong model was not called for {split}."
        )


def without_failures(rows: Sequence[MeasuredExample]) -> list[MeasuredExample]:
    """The examples without a failed call."""
    return [row for row in rows if row.error is None]


def is_priced(rows: Sequence[MeasuredExample]) -> bool:
    """Whether costs can be compared in USD: every price is known, and not all costs are 0."""
    costs = [outcome.cost_usd for row in rows for outcome in row.arms.values()]
    return None not in costs and any(costs)


def outcomes_of(rows: Sequence[MeasuredExample], *, in_usd: bool) -> Outcomes:
    """The arms' outcomes as arrays; costs are in USD or in tokens of the strong model.

    Arms that were not measured and unknown costs are NaN.
    """

    def cost(outcome: ArmOutcome) -> float:
        if not in_usd:
            return float(outcome.strong_tokens)
        return np.nan if outcome.cost_usd is None else outcome.cost_usd

    def table(value: Callable[[ArmOutcome], float]) -> np.ndarray:
        return np.array([[value(row.arms[arm]) if arm in row.arms else np.nan for arm in ARMS] for row in rows])

    return Outcomes(
        confidence=np.array([np.nan if row.confidence is None else row.confidence for row in rows]),
        scores=table(lambda outcome: outcome.score).reshape(-1, len(ARMS)),
        costs=table(cost).reshape(-1, len(ARMS)),
        groups=[row.group for row in rows],
    )
