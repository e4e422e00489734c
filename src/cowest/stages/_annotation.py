"""Annotates all examples of a round of feedback concurrently (Algorithm 1 lines 6 to 20)."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cowest import preferences, synchronous
from cowest.annotators import Annotator
from cowest.collaboration import Collaboration
from cowest.concurrency import in_order
from cowest.errors import CompletionError, EndpointError
from cowest.judge import BaseJudge
from cowest.models import Metered
from cowest.models.metered import spending
from cowest.pricing import total_usd
from cowest.progress import ProgressBar, progress_bar
from cowest.records import ComparedExample, Failure, GradedExample, NullSample
from cowest.stages._diagnostics import null_sample
from cowest.stages._facets import short_fields
from cowest.stages._progress_file import ProgressFile
from cowest.stages._spend_limit import SpendLimit
from cowest.types import Example

MAX_FAILURES_BEFORE_SUCCESS = 100
"""The stage stops after this number of failures without a single success, before more money is wasted."""

AnnotatedExample = GradedExample | ComparedExample


class Annotated(NamedTuple):
    """What became of an example; `null` is its second sample for the null control, where it has one."""

    example: Example
    row: AnnotatedExample | Failure
    null: NullSample | None = None


@dataclass(frozen=True)
class FeedbackSetting:
    """Everything that is needed to annotate the examples of one round.

    Attributes:
        roles: the models by role, whose spend is shown.
        controlled: ids of the examples in the null control.
        most_drafts: K, where the drafts of a query end with its first pair and those not drawn are shown; else None.
    """

    roles: Mapping[str, Metered]
    judge: BaseJudge
    collaboration: Collaboration
    annotator: Annotator
    controlled: set[str]
    most_drafts: int | None = None


def annotate_all(
    examples: Sequence[Example],
    setting: FeedbackSetting,
    progress_file: ProgressFile,
    title: str,
    num_in_flight: int | None,
    add: Callable[[Annotated], None],
    limit: SpendLimit | None = None,
) -> None:
    """Annotates every example, or as many of the first ones as `limit` admits.

    Args:
        title: of the progress bar.
        num_in_flight: examples at once; None is as many as the endpoints take.
        add: called with the outcome of each, in their order.
        limit: what the round may spend; the examples that it does not admit are left out.

    Raises:
        EndpointError: an endpoint failed for good, or all of the first examples failed.
    """

    async def annotate() -> None:
        async with contextlib.aclosing(in_order(worker, examples, num_in_flight)) as outcomes:
            async for outcome in outcomes:
                if outcome is None:
                    break
                add(outcome)

    with progress_bar(title, total=len(examples)) as bar:
        worker = _Worker(setting, bar, progress_file, limit)
        synchronous.run(annotate())


@dataclass
class _Worker:
    """Annotates one example at a time."""

    setting: FeedbackSetting
    bar: ProgressBar
    progress_file: ProgressFile
    limit: SpendLimit | None = None
    first_failure: Failure | None = None
    num_failed: int = 0
    num_annotated: int = 0

    async def __call__(self, example: Example) -> Annotated | None:
        """None where there is no money left for the example."""
        if self.limit is None:
            return await self._work(example)
        if not await self.limit.admit(example):
            return None
        with spending() as calls:
            try:
                return await self._work(example)
            finally:
                await self.limit.leave(example, [cost for role, cost in calls if role != "weak"])

    async def _work(self, example: Example) -> Annotated:
        setting = self.setting
        outcome, null = await _annotate(example, setting.annotator), None
        if example.id in setting.controlled and isinstance(outcome, GradedExample):
            null = await null_sample(example, outcome, setting.collaboration, setting.judge)
        if not isinstance(outcome, Failure):
            self.progress_file.add(outcome)
        self._show(outcome)
        self._stop_if_all_failed(outcome)
        return Annotated(example, outcome, null)

    def _stop_if_all_failed(self, outcome: AnnotatedExample | Failure) -> None:
        if not isinstance(outcome, Failure):
            self.num_annotated += 1
            return
        self.num_failed += 1
        self.first_failure = self.first_failure or outcome
        if self.num_failed >= MAX_FAILURES_BEFORE_SUCCESS and not self.num_annotated:
            raise all_failed(self.first_failure, self.num_failed)

    def _show(self, outcome: AnnotatedExample | Failure) -> None:
        num_pairs = 0 if isinstance(outcome, Failure) else len(preferences.pairs(outcome, ()))
        most = self.setting.most_drafts
        more: dict[str, float] = {}
        if most is not None:
            more["drafts_not_drawn"] = 0 if isinstance(outcome, Failure) else preferences.num_not_drawn(outcome, most)
        if isinstance(outcome, ComparedExample):
            self.bar.advance(1, positives=num_pairs, pairs=num_pairs, **more)
            return
        drafts = outcome.drafts if isinstance(outcome, GradedExample) else ()
        self.bar.advance(1, positives=sum(map(preferences.is_positive, drafts)), pairs=num_pairs, **more)
        spent = total_usd(meter.cost_usd for meter in self.setting.roles.values())
        if spent is not None:  # an unknown price is not shown as $0
            self.bar.show(spend_usd=spent)


async def _annotate(example: Example, annotator: Annotator) -> AnnotatedExample | Failure:
    try:
        annotated = await annotator.annotate(example)
    except CompletionError as error:
        return Failure(example_id=example.id, reason=str(error))
    if isinstance(annotated, GradedExample) and annotated.solo_verdict.value is None:
        return Failure(example_id=example.id, reason=f"z is unscored: {annotated.solo_verdict.unscored_reason}")
    return annotated.model_copy(
        update={"reference": example.references, "fields": short_fields(example), "group": example.group}
    )


def all_failed(first: Failure, num_failed: int, more: str = "") -> EndpointError:
    """The error where every example failed."""
    return EndpointError(
        f"All {num_failed} examples failed, so there is nothing to learn from. The first error: "
        f"{first.reason}{more} What was paid for is kept; fix the cause and run the same command again."
    )
