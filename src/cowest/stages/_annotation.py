"""Annotates all examples of a round of feedback concurrently (Algorithm 1 lines 6 to 20)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cowest import preferences, synchronous
from cowest.annotators import Annotator
from cowest.collaboration import Collaboration
from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError, EndpointError
from cowest.judge import BaseJudge
from cowest.models import Metered
from cowest.pricing import total_usd
from cowest.progress import ProgressBar, progress_bar
from cowest.records import ComparedExample, Failure, GradedExample, NullSample
from cowest.stages._diagnostics import null_sample
from cowest.stages._facets import short_fields
from cowest.stages._progress_file import ProgressFile
from cowest.types import Example

MAX_FAILURES_BEFORE_SUCCESS = 100
"""The stage stops after this number of failures without a single success, before more money is wasted."""

AnnotatedExample = GradedExample | ComparedExample


@dataclass(frozen=True)
class FeedbackOutcome:
    """The outcome of all examples; each list is in their order.

    Attributes:
        annotated: the examples whose drafts were graded or compared.
        failures: the failed examples.
        nulls: second samples of the strong model alone, for the null control.
    """

    annotated: Sequence[AnnotatedExample]
    failures: Sequence[Failure]
    nulls: Sequence[NullSample]

    @property
    def graded(self) -> list[GradedExample]:
        """The examples whose drafts were graded against z."""
        return [example for example in self.annotated if isinstance(example, GradedExample)]

    @property
    def compared(self) -> list[ComparedExample]:
        """The examples whose drafts were compared with each other."""
        return [example for example in self.annotated if isinstance(example, ComparedExample)]


@dataclass(frozen=True)
class FeedbackSetting:
    """Everything that is needed to annotate the examples of one round.

    Attributes:
        roles: the models by role, whose spend is shown.
        controlled: ids of the examples in the null control.
    """

    roles: Mapping[str, Metered]
    judge: BaseJudge
    collaboration: Collaboration
    annotator: Annotator
    controlled: set[str]


def annotate_all(
    examples: Sequence[Example], setting: FeedbackSetting, progress_file: ProgressFile, title: str, num_in_flight: int
) -> FeedbackOutcome:
    """Annotates every example, at most `num_in_flight` at once.

    Args:
        title: of the progress bar.

    Raises:
        EndpointError: an endpoint failed for good, or all of the first examples failed.
    """
    with progress_bar(title, total=len(examples)) as bar:
        worker = _Worker(setting, bar, progress_file)
        outcomes = synchronous.run(map_in_flight(worker, examples, num_in_flight))
    return FeedbackOutcome(
        annotated=[outcome for outcome in outcomes if not isinstance(outcome, Failure)],
        failures=[outcome for outcome in outcomes if isinstance(outcome, Failure)],
        nulls=[worker.nulls[example.id] for example in examples if example.id in worker.nulls],
    )


@dataclass
class _Worker:
    """Annotates one example at a time and keeps the samples of the null control by example id."""

    setting: FeedbackSetting
    bar: ProgressBar
    progress_file: ProgressFile
    nulls: dict[str, NullSample] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    num_annotated: int = 0

    async def __call__(self, example: Example) -> AnnotatedExample | Failure:
        setting = self.setting
        outcome = await _annotate(example, setting.annotator)
        if example.id in setting.controlled and isinstance(outcome, GradedExample):
            null = await null_sample(example, outcome, setting.collaboration, setting.judge)
            if null is not None:
                self.nulls[example.id] = null
        if not isinstance(outcome, Failure):
            self.progress_file.add(outcome)
        self._show(outcome)
        self._stop_if_all_failed(outcome)
        return outcome

    def _stop_if_all_failed(self, outcome: AnnotatedExample | Failure) -> None:
        if not isinstance(outcome, Failure):
            self.num_annotated += 1
            return
        self.failures.append(outcome)
        if len(self.failures) >= MAX_FAILURES_BEFORE_SUCCESS and not self.num_annotated:
            raise all_failed(self.failures)

    def _show(self, outcome: AnnotatedExample | Failure) -> None:
        num_pairs = 0 if isinstance(outcome, Failure) else len(preferences.pairs(outcome, ()))
        if isinstance(outcome, ComparedExample):
            self.bar.advance(1, positives=num_pairs, pairs=num_pairs)
            return
        drafts = outcome.drafts if isinstance(outcome, GradedExample) else ()
        self.bar.advance(1, positives=sum(map(preferences.is_positive, drafts)), pairs=num_pairs)
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


def all_failed(failures: Sequence[Failure], more: str = "") -> EndpointError:
    """The error where every example failed."""
    return EndpointError(
        f"All {len(failures)} examples failed, so there is nothing to learn from. The first error: "
        f"{failures[0].reason}{more} What was paid for is kept; fix the cause and run the same command again."
    )
