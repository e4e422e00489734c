"""Explanations for training rows that have none: the strong model explains the reference, and each one is checked."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cowest import answers, runs, synchronous
from cowest.answers.statements import sentences
from cowest.collaboration import STRONG_SAMPLING, Collaboration
from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError, InputError
from cowest.formats import Format, load_format
from cowest.ledger import Ledger
from cowest.models import Metered, Openable, open_model
from cowest.progress import ProgressBar, progress_bar
from cowest.prompts import Prompts
from cowest.prompts.declared import uses
from cowest.records import ExplainedExample, ExplanationSummary, Failure
from cowest.stages._annotation import MAX_FAILURES_BEFORE_SUCCESS, all_failed
from cowest.tasks import Task
from cowest.tasks.base import Split
from cowest.types import Example, Sampling


def explain(
    examples: Sequence[Example],
    *,
    strong: Openable,
    out: str | Path,
    task: Task | None = None,
    format: str | Format = "chain_of_thought",
    prompts: Prompts | None = None,
    strong_sampling: Sampling = STRONG_SAMPLING,
    ledger: Ledger | None = None,
    seed: int = 0,
    num_in_flight: int | None = None,
) -> Split:
    """Has the strong model explain the reference of every row whose SFT target lacks an explanation.

    An explanation is kept if the strong model, given query and explanation without the reference, finds the reference.
    Every such row is in `out/explanations.jsonl` with its outcome; `out/summary.json` has the counts.

    Args:
        examples: the rows of SFT.
        strong: a model, its name or config.
        task: whose metric compares answers; by default the one that the split belongs to.
        format: of the SFT targets; a format whose targets hold no explanation takes no call.
        ledger: where paid calls are kept; `out/ledger.sqlite` by default.
        seed: of a model in process.
        num_in_flight: rows worked on at once; None is as many as the model takes.

    Returns:
        All rows in their order, with the explanations that were kept.

    Examples:
        >>> import cowest
        >>> rows = [cowest.Example(id="1", query="A 2 kg cat gets 3 mg per kg. Dose?", references=("6",))]
        >>> strong = cowest.ScriptedModel(lambda request: "2 kg times 3 mg per kg is 6 mg. Answer: 6")
        >>> task = cowest.task("cowest.lab.task:Formulary")
        >>> cowest.explain(rows, strong=strong, task=task, out="runs/mine/explanations")[0].explanation
        '2 kg times 3 mg per kg is 6 mg.'

    Raises:
        InputError: no task is known, or the model cannot be opened.
        EndpointError: an endpoint failed for good, or every row failed; nothing is lost, and the same call goes on.
        BudgetError: likewise.
    """
    started = time.monotonic()
    out = Path(out)
    task = task or (examples.task if isinstance(examples, Split) else None)
    if task is None:
        raise InputError("explain does not know how to score these examples. Give a split of a task, or task=...")
    rows = without_explanation(examples, format, task)
    with contextlib.ExitStack() as stack:
        if ledger is None:
            ledger = stack.enter_context(contextlib.closing(Ledger(out / "ledger.sqlite")))
        model = open_model(strong, role="strong", ledger=ledger, seed=seed)
        pair = Collaboration(model, model, format=format, prompts=prompts, strong_sampling=strong_sampling)
        found = _explain_all(rows, pair, task, num_in_flight)
    failures = [Failure(example_id=row.example_id, reason=row.reason or "") for row in found if row.reason]
    runs.write_jsonl(out / "explanations.jsonl", found)
    if failures and len(failures) == len(found):
        raise all_failed(failures[0], len(failures))
    # Last, since it marks the explanations as finished.
    _summarise(found, model, round(time.monotonic() - started, 3)).write(out / "summary.json")
    return with_explanations(examples, found, task)


def without_explanation(examples: Iterable[Example], format: str | Format, task: Task) -> Split:
    """The rows whose SFT target in this format would have an explanation, if they had one."""
    draft_format = load_format(format) if isinstance(format, str) else format
    return Split(task, "train", (example for example in examples if _lacks_explanation(example, draft_format)))


def with_explanations(examples: Iterable[Example], rows: Iterable[ExplainedExample], task: Task) -> Split:
    """The examples in their order, with the explanations that were kept."""
    kept = {row.example_id: row.explanation for row in rows if row.outcome == "kept"}
    explained = (
        example.model_copy(update={"explanation": kept[example.id]}) if example.id in kept else example
        for example in examples
    )
    return Split(task, "train", explained)


@uses("explain", "explain_check")
async def explain_example(example: Example, pair: Collaboration, task: Task) -> ExplainedExample:
    """Explains the reference of one example and checks the explanation: two calls of the strong model.

    An explanation that states the reference is not checked: a reader would only copy it.

    Raises:
        EndpointError, BudgetError: no call can succeed any more.
    """
    found: dict[str, Any] = {"example_id": example.id, "query": example.query, "reference": example.references}
    try:
        values = {"query": example.query, "reference": example.references[0]}
        written = await pair.ask("strong", "explain", values)
        explanation = answers.explanation_in(written.text)
        if written.finish_reason == "length":
            return ExplainedExample(**found, outcome="failed", reason="the explanation was cut at the token limit")
        if not explanation:
            return ExplainedExample(**found, outcome="failed", reason="the reply holds no explanation")
        explanation, states_answer = _without_conclusion(explanation, example, task)
        found["explanation"] = explanation
        if states_answer:
            return ExplainedExample(**found, outcome="rejected", states_answer=True)
        # The reference is left out: a reader who knows the answer cannot tell whether the explanation gives it.
        read = await pair.ask("strong", "explain_check", {"query": example.query, "explanation": explanation})
    except CompletionError as error:
        return ExplainedExample(**found, outcome="failed", reason=str(error))
    answer = task.parse(example, read.text)
    if answer.final is None:
        return ExplainedExample(**found, outcome="failed", reason="the reply to the check holds no answer")
    is_right = task.score(example, answer)[task.metric] >= 1.0
    return ExplainedExample(**found, outcome="kept" if is_right else "rejected", answer=answer.final)


def _without_conclusion(explanation: str, example: Example, task: Task) -> tuple[str, bool]:
    """The explanation without a last sentence that states the reference, and whether the rest still states it.

    Facts that mention the reference are no statement: few explanations of "Paris" could do without the word.
    """

    def states(text: str) -> bool:
        found = task.parse(example, text)
        return task.has_answer(example, found) and task.score(example, found)[task.metric] >= 1.0

    while states(explanation):
        last = sentences(explanation)[-1]
        rest = explanation.removesuffix(last).strip()
        if not rest or not states(last):
            return explanation, True
        explanation = rest
    return explanation, False


def _lacks_explanation(example: Example, draft_format: Format) -> bool:
    # Asked of the format itself, so that formats of users need not say whether they use explanations.
    explained = example.model_copy(update={"explanation": "because"})
    return not example.explanation and draft_format.target(explained) != draft_format.target(example)


def _explain_all(
    examples: Sequence[Example], pair: Collaboration, task: Task, num_in_flight: int | None
) -> list[ExplainedExample]:
    with progress_bar("explanations", total=len(examples)) as bar:
        return synchronous.run(map_in_flight(_Work(pair, task, bar), examples, num_in_flight))


@dataclass
class _Work:
    """What is done for one example; stops early where the first examples all fail."""

    pair: Collaboration
    task: Task
    bar: ProgressBar
    failures: list[Failure] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    async def __call__(self, example: Example) -> ExplainedExample:
        row = await explain_example(example, self.pair, self.task)
        self.counts[row.outcome] += 1
        self.bar.advance(1, kept=int(row.outcome == "kept"))
        if row.reason is not None:
            self.failures.append(Failure(example_id=row.example_id, reason=row.reason))
            if len(self.failures) == self.counts.total() >= MAX_FAILURES_BEFORE_SUCCESS:
                raise all_failed(self.failures[0], len(self.failures))
        return row


def _summarise(rows: Sequence[ExplainedExample], model: Metered, wall_s: float) -> ExplanationSummary:
    outcomes = Counter(row.outcome for row in rows)
    return ExplanationSummary(
        num_examples=len(rows),
        num_made=sum(row.explanation is not None for row in rows),
        num_kept=outcomes["kept"],
        num_rejected=outcomes["rejected"],
        num_stating=sum(row.states_answer for row in rows),
        num_failed=outcomes["failed"],
        calls={"strong": model.num_calls},
        usage={"strong": model.usage},
        cost_usd=model.cost_usd,
        wall_s=wall_s,
    )
