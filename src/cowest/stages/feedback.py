"""Feedback: from examples to preference pairs (paper section 3.3.1, Algorithm 1 lines 6 to 25)."""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Literal

from pydantic import Field

from cowest import preferences, runs, synchronous
from cowest.annotators import RLAIF, Annotator, RewardModel, load_annotator
from cowest.checking import check
from cowest.collaboration import STRONG_SAMPLING, WEAK_SAMPLING, Collaboration
from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError, EndpointError, InputError
from cowest.judge import Judge, ModelJudge, as_base_judge
from cowest.ledger import Ledger
from cowest.models import Metered, ModelConfig, Openable, open_model
from cowest.progress import ProgressBar, progress_bar
from cowest.prompts import Prompts
from cowest.stages._diagnostics import NullSample, draw_null_control, judge_agreement, null_control, null_sample
from cowest.stages._facets import short_fields
from cowest.stages._progress_file import ProgressFile
from cowest.stages._summary import summarise, summarise_compared
from cowest.tasks import Task
from cowest.types import ComparedExample, Example, GradedExample, PreferencePair, Record, Sampling

Annotated = GradedExample | ComparedExample

MAX_FAILURES_BEFORE_SUCCESS = 100
"""So many failures without one example graded stop the stage, before more is paid for nothing."""

_CHOOSING_QUERIES = ("queries_from", "held_back_share", "queries")


class FeedbackConfig(Record):
    """How preferences are gathered.

    Attributes:
        kind: who annotates; a file of annotators/ or `package.module:Class`.
        queries_from: "train" draws them from all training rows, as the paper does; "held_back" from rows that SFT
            never saw.
        held_back_share: the share of training rows that "held_back" keeps out of SFT.
        queries: how many queries a round, drawn by the recipe's seed and the round's number.
        samples: K, drafts a query.
        max_pairs: keep this many pairs, drawn by the seed; None keeps all.
        labeller: the model that compares two drafts under kind "rlaif", a whole section like `strong`; None is the
            strong model, as in the paper. Other kinds make no use of it.
        skip_settled: leave out calls that cannot change any pair.
        null_control: for this many of the queries a second sample of the strong model alone is judged against the
            first: the positive rate that noise alone gives.
    """

    kind: str = "collaborative"
    queries_from: Literal["train", "held_back"] = "train"
    held_back_share: float = Field(default=0.5, gt=0, lt=1)
    queries: int = Field(default=2000, ge=1)
    samples: int = Field(default=5, ge=1)
    max_pairs: int | None = Field(default=None, ge=1)
    labeller: ModelConfig | None = None
    skip_settled: bool = True
    null_control: int = Field(default=0, ge=0)


class Failure(Record):
    """An example that gave no grades, and why: a row of failures.jsonl."""

    example_id: str
    reason: str


def draw(examples: Sequence[Example], count: int, seed: int, round_number: int = 1) -> list[Example]:
    """Draws `count` examples in the order of the data; all of them where there are no more."""
    if count >= len(examples):
        return list(examples)
    chosen = sorted(Random(f"queries {seed} {round_number}").sample(range(len(examples)), count))
    return [examples[index] for index in chosen]


def hold_back(examples: Sequence[Example], config: FeedbackConfig, seed: int) -> tuple[list[Example], list[Example]]:
    """Divides the training rows into those for SFT and those kept back for feedback, each in the order of the data."""
    count = round(len(examples) * config.held_back_share)
    kept_back = set(Random(f"held back {seed}").sample(range(len(examples)), count))
    for_sft = [example for index, example in enumerate(examples) if index not in kept_back]
    return for_sft, [examples[index] for index in sorted(kept_back)]


def feedback(
    examples: Sequence[Example],
    *,
    weak: Openable,
    strong: Openable,
    out: str | Path,
    judge: Judge | None = None,
    config: FeedbackConfig | None = None,
    format: str = "chain_of_thought",
    prompts: Prompts | None = None,
    weak_sampling: Sampling = WEAK_SAMPLING,
    strong_sampling: Sampling = STRONG_SAMPLING,
    ledger: Ledger | None = None,
    task: Task | None = None,
    reward: RewardModel | None = None,
    labeller: Openable | None = None,
    seed: int = 0,
    num_in_flight: int = 64,
    **settings: Any,
) -> list[PreferencePair]:
    """Grades the drafts of every example and writes graded, pairs, failures, null_control and summary to `out`.

    Args:
        examples: the queries, all of which are used.
        weak, strong: models, their names, configs, or what `sft` returned.
        judge: E; the strong model with the built-in rubric by default (the paper's choice).
        config: how; `settings` replace single keys of it, e.g. `samples=8`.
        ledger: where paid calls are kept; `out/ledger.sqlite` by default.
        task: whose metric the judge is compared with; by default the one that the split belongs to, if it is one.
        reward: for a kind that ranks drafts by one, such as "rlwf".
        labeller: who compares drafts under kind "rlaif"; by default what `config` says, else the strong model.
        seed: draws the pairs kept under `max_pairs`, and seeds models in process.
        num_in_flight: examples worked on at once.

    Returns:
        The pairs, in the order of the examples.

    Raises:
        InputError: a setting is wrong, or one that chooses queries, which only a recipe does.
        EndpointError: an endpoint failed for good, or every example failed; nothing is lost, and the same call goes on.
        BudgetError: likewise.
    """
    started = time.monotonic()
    out = Path(out)
    if ignored := [name for name in _CHOOSING_QUERIES if name in settings]:
        raise InputError(
            f"feedback uses all the examples it is given, so {', '.join(ignored)} would do nothing here. Give fewer "
            "examples, e.g. task.train[:200]; in a recipe the key chooses them."
        )
    config = check(FeedbackConfig, (config or FeedbackConfig()).model_dump() | settings, "feedback cannot be done so")
    with contextlib.ExitStack() as stack:
        ledger = ledger or stack.enter_context(contextlib.closing(Ledger(out / "ledger.sqlite")))
        shared_with = ("judge",) if judge is None else ()
        roles = {
            "weak": open_model(weak, role="weak", ledger=ledger, seed=seed),
            "strong": open_model(strong, role="strong", ledger=ledger, seed=seed, shared_with=shared_with),
        }
        if judge is None:
            judge = ModelJudge(open_model(roles["strong"], role="judge", ledger=ledger, seed=seed), prompts)
        judge = as_base_judge(judge)
        if isinstance(judge, ModelJudge) and isinstance(judge.model, Metered):
            roles["judge"] = judge.model
        if config.kind == RLAIF and (comparing := labeller or config.labeller):
            roles["labeller"] = open_model(comparing, role="labeller", ledger=ledger, seed=seed)
        collaboration = Collaboration(
            roles["weak"],
            roles["strong"],
            format=format,
            prompts=prompts,
            weak_sampling=weak_sampling,
            strong_sampling=strong_sampling,
        )
        annotator = load_annotator(
            config.kind,
            collaboration,
            judge,
            samples=config.samples,
            skip_settled=config.skip_settled,
            reward=reward,
            labeller=roles.get("labeller"),
            labeller_sampling=None if config.labeller is None else config.labeller.sampling,
        )
        num_judged_before = judge.num_calls_saved
        controlled = draw_null_control(examples, config.null_control, seed)
        with progress_bar(f"feedback ({config.kind})", total=len(examples)) as bar:
            progress_file = ProgressFile(out)
            work = _Work(annotator, collaboration, judge, controlled, roles, bar, progress_file)
            outcomes = synchronous.run(map_in_flight(work, examples, num_in_flight))
    annotated = [outcome for outcome in outcomes if not isinstance(outcome, Failure)]
    graded = [outcome for outcome in annotated if isinstance(outcome, GradedExample)]
    compared = [outcome for outcome in annotated if isinstance(outcome, ComparedExample)]
    failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    if failures and not annotated:
        runs.write_jsonl(out / "failures.jsonl", failures)
        raise _all_failed(failures, f" {str(out / 'failures.jsonl')!r} names the others.")
    nulls = [work.nulls[example.id] for example in examples if example.id in work.nulls]
    pairs = _limit(_pairs(annotated, collaboration), config.max_pairs, seed)
    calls_per_draft = annotator.num_calls_per_draft
    if "judge" in roles:
        calls_per_draft += judge.repeats
    num_identical = judge.num_calls_saved - num_judged_before
    summary = summarise(
        graded,
        pairs,
        roles,
        kind=config.kind,
        samples=config.samples,
        num_failed=len(failures),
        calls_per_draft=calls_per_draft,
        num_identical=num_identical,
    )
    if compared:
        summary |= summarise_compared(compared, len(failures))
    if config.null_control:
        summary["null_control"] = null_control(graded, nulls, controlled, config.samples, seed)
    task = task or getattr(examples, "task", None)
    if task is not None:
        summary["judge_agreement"] = judge_agreement(graded, {example.id: example for example in examples}, task, seed)
    _write(out, annotated, failures, pairs, nulls if config.null_control else None)
    progress_file.remove()
    runs.write_json(out / "summary.json", summary | {"wall_s": round(time.monotonic() - started, 3)})
    return pairs


def _write(
    out: Path,
    annotated: Sequence[GradedExample | ComparedExample],
    failures: Sequence[Failure],
    pairs: Sequence[PreferencePair],
    nulls: Sequence[NullSample] | None,
) -> None:
    runs.write_jsonl(out / "graded.jsonl", annotated)
    runs.write_jsonl(out / "failures.jsonl", failures)
    runs.write_jsonl(out / "pairs.jsonl", pairs)
    if nulls is not None:
        runs.write_jsonl(out / "null_control.jsonl", nulls)


class _Work:
    """What is done for one example; keeps the samples of the null-draft control by the example's id."""

    def __init__(
        self,
        annotator: Annotator,
        collaboration: Collaboration,
        judge: Judge,
        controlled: set[str],
        roles: dict[str, Metered],
        bar: ProgressBar,
        progress_file: ProgressFile,
    ) -> None:
        self.annotator = annotator
        self.collaboration = collaboration
        self.judge = judge
        self.controlled = controlled
        self.roles = roles
        self.bar = bar
        self.progress_file = progress_file
        self.nulls: dict[str, NullSample] = {}
        self.failures: list[Failure] = []
        self.num_graded = 0

    async def __call__(self, example: Example) -> Annotated | Failure:
        outcome = await _annotate(example, self.annotator)
        if example.id in self.controlled and isinstance(outcome, GradedExample):
            null = await null_sample(example, outcome, self.collaboration, self.judge)
            if null is not None:
                self.nulls[example.id] = null
        if not isinstance(outcome, Failure):
            self.progress_file.add(outcome)
        self._show(outcome)
        self._stop_if_all_failed(outcome)
        return outcome

    def _stop_if_all_failed(self, outcome: Annotated | Failure) -> None:
        if not isinstance(outcome, Failure):
            self.num_graded += 1
            return
        self.failures.append(outcome)
        if len(self.failures) >= MAX_FAILURES_BEFORE_SUCCESS and not self.num_graded:
            raise _all_failed(self.failures)

    def _show(self, outcome: Annotated | Failure) -> None:
        if isinstance(outcome, ComparedExample):
            num_pairs = len(preferences.pairs(outcome, ()))
            self.bar.advance(1, positives=num_pairs, pairs=num_pairs)
            return
        drafts = outcome.drafts if isinstance(outcome, GradedExample) else ()
        positives = sum(map(preferences.is_positive, drafts))
        num_pairs = min(positives, sum(map(preferences.is_negative, drafts)))
        self.bar.advance(1, positives=positives, pairs=num_pairs)
        costs = [meter.cost_usd for meter in self.roles.values()]
        if None not in costs:  # an unknown price is not shown as $0
            self.bar.show(spend_usd=sum(cost for cost in costs if cost is not None))


def _all_failed(failures: Sequence[Failure], more: str = "") -> EndpointError:
    return EndpointError(
        f"All {len(failures)} examples failed, so there is nothing to learn from. The first failed so: "
        f"{failures[0].reason}{more} What was paid for is kept; mend the cause and run the same command again."
    )


async def _annotate(example: Example, annotator: Annotator) -> Annotated | Failure:
    try:
        graded = await annotator.annotate(example)
    except CompletionError as error:
        return Failure(example_id=example.id, reason=str(error))
    if isinstance(graded, GradedExample) and graded.solo_verdict.score is None:
        return Failure(example_id=example.id, reason=f"z is unscored: {graded.solo_verdict.unscored_reason}")
    return graded.model_copy(update={"reference": example.references, "fields": short_fields(example)})


def _pairs(graded: Sequence[Annotated], collaboration: Collaboration) -> list[PreferencePair]:
    template = collaboration.format.template
    return [
        pair
        for example in graded
        for pair in preferences.pairs(example, collaboration.prompts.render(template, query=example.query))
    ]


def _limit(pairs: list[PreferencePair], count: int | None, seed: int) -> list[PreferencePair]:
    if count is None or count >= len(pairs):
        return pairs
    return [pairs[index] for index in sorted(Random(f"pairs {seed}").sample(range(len(pairs)), count))]
