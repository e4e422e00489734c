"""Measuring examples under each arm of a gate: the draft alone, the strong model alone, and both."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from cowest import answers, synchronous
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
"""USD of a call by the role of the model that was called; None where no price is known."""


def measure(
    name: str,
    examples: Sequence[Example],
    pair: Collaboration,
    task: Task,
    cost_of: CostOf,
    num_in_flight: int,
    wanted: Callable[[float | None], Sequence[Arm]] = lambda confidence: ARMS,
) -> list[MeasuredExample]:
    """Measures examples; the drafts come first, so that a weak model of no use here is found before money is spent.

    Args:
        name: of the split, for the progress bar.
        wanted: the arms an example is measured with, by its draft's confidence; the draft is always one of them.

    Raises:
        InputError: not one draft carries log-probabilities.
        EndpointError: every example failed.
    """

    async def all_of() -> list[MeasuredExample]:
        with progress_bar(f"gate {name}, drafts", total=len(examples)) as bar:

            async def draft(example: Example) -> Completion | CompletionError:
                try:
                    return await pair.draft(example.query)
                except CompletionError as error:
                    return error
                finally:
                    bar.advance(1)

            drafts = await map_in_flight(draft, examples, num_in_flight)
        await pair.weak.close()
        _need_logprobs([each for each in drafts if isinstance(each, Completion)], pair.weak.name, name)
        with progress_bar(f"gate {name}", total=len(examples)) as bar:

            async def work(item: tuple[Example, Completion | CompletionError]) -> MeasuredExample:
                example, drafted = item
                try:
                    if isinstance(drafted, CompletionError):
                        raise drafted
                    return await _measure(example, drafted, pair, task, cost_of, wanted(confidence(drafted)))
                except CompletionError as error:
                    return MeasuredExample(id=example.id, error=str(error))
                finally:
                    bar.advance(1)

            return await map_in_flight(work, list(zip(examples, drafts, strict=True)), num_in_flight)

    groups = task.groups(examples)
    rows = [
        row.model_copy(update={"group": group}) for row, group in zip(synchronous.run(all_of()), groups, strict=True)
    ]
    if all(row.error is not None for row in rows):
        raise EndpointError(
            f"Every example of the {name} split failed, the first so: {rows[0].error} What was paid for is kept; mend "
            "the cause and run the same command again."
        )
    return rows


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

    found: dict[Arm, ArmOutcome] = {"draft": outcome(pair.format.parse(draft.text))}
    if "strong" in arms:
        solo = await pair.solo(example.query)
        found["strong"] = outcome(answers.parse(solo.text), solo)
    if "both" in arms:
        refined = await pair.refine(example.query, draft.text)
        found["both"] = outcome(answers.parse(refined.text), refined)
    return MeasuredExample(id=example.id, confidence=confidence(draft), arms=found)


def _need_logprobs(drafts: Sequence[Completion], weak: str, split: str) -> None:
    if drafts and not any(draft.token_logprobs for draft in drafts):
        raise InputError(
            f"The weak model {weak!r} gave no log-probabilities with its drafts of {split}, so nothing says how sure "
            "it is, and that is never guessed. Use an endpoint that gives them (weak.options: {logprobs: true}), or "
            f"leave serve.gate at `always`. The strong model was not called for {split}."
        )


def without_failures(rows: Sequence[MeasuredExample]) -> list[MeasuredExample]:
    """The examples of which every call was answered."""
    return [row for row in rows if row.error is None]


def is_priced(rows: Sequence[MeasuredExample]) -> bool:
    """Whether money tells the arms apart: every price is known, and not all are nothing."""
    costs = [outcome.cost_usd for row in rows for outcome in row.arms.values()]
    return None not in costs and any(costs)


def outcomes_of(rows: Sequence[MeasuredExample], *, in_usd: bool) -> Outcomes:
    """What the arms did as arrays; costs in USD, or in tokens of the strong model.

    An arm not measured is NaN, and so is a cost that is not known.
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
