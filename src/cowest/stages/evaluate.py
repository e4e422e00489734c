"""Evaluate: every method on the same examples, compared with intervals, calls, tokens, latency and money."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Literal

from pydantic import Field

from cowest import runs, synchronous
from cowest.auditing import AUDIT
from cowest.collaboration import Calls, Collaboration, counting
from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError, EndpointError, InputError
from cowest.methods import Method, MethodOptions, Prepared
from cowest.methods.base import spend
from cowest.methods.collaborate import Collaborate
from cowest.methods.strong_only import StrongOnly
from cowest.models import Openable, open_model
from cowest.progress import progress_bar
from cowest.records import EvaluationResults, ExplanationSummary, FeedbackSummary, Preparation
from cowest.stages._facets import short_fields
from cowest.stages._results import failed_on_all, summarise
from cowest.stages.preparation import preparation_of
from cowest.tasks.base import Split, SplitName, Task
from cowest.types import Example, Prediction, Record, Sampling


class EvaluateConfig(Record):
    """Which examples are evaluated, and with which methods.

    Attributes:
        split: of the task.
        limit: number of examples, from the start of the split or of the sample; None means all.
        sample: number of examples, drawn with `sample_seed` and kept in the order of the data; None means all. The seed
            is not the recipe's, so that runs with different seeds measure the same examples.
        sample_seed: of that draw.
        methods: files of methods/ or `package.module:Class`; each may give several rows.
        settings: of individual methods.
        final_answer: "ask": where a reply holds no answer, its model is asked once more for the answer alone. "parse":
            such a reply counts as wrong.
        weak_sampling, strong_sampling: sampling in the evaluation; None means as in feedback. A section without
            `max_tokens` has that of the model's own sampling.
    """

    split: SplitName = "test"
    limit: int | None = Field(default=None, ge=1)
    sample: int | None = Field(default=None, ge=1)
    sample_seed: int = Field(default=0, ge=0)
    methods: tuple[str, ...] = ("weak_only", "strong_only", "collaborate")
    settings: MethodOptions = MethodOptions()
    final_answer: Literal["parse", "ask"] = "parse"
    weak_sampling: Sampling | None = None
    strong_sampling: Sampling | None = None


def select(examples: Sequence[Example], config: EvaluateConfig) -> Sequence[Example]:
    """The examples of the evaluation: the random sample that the config asks for, if any, then the first `limit`."""
    if config.sample is not None and config.sample < len(examples):
        indices = sorted(Random(f"sample {config.sample_seed}").sample(range(len(examples)), config.sample))
        examples = [examples[index] for index in indices]
    return examples[: config.limit]


def evaluate(
    examples: Sequence[Example],
    methods: Iterable[Method] | Mapping[str, Method | Collaboration | Openable],
    *,
    task: Task | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    num_in_flight: int | None = None,
    summaries: Mapping[int, FeedbackSummary] | None = None,
    explanations: ExplanationSummary | None = None,
) -> EvaluationResults:
    """Runs every method on every example, compares them, and writes predictions and results.json to `out`.

    Args:
        examples: a split of a task, or any examples if `task` is given.
        methods: methods, or a mapping from names of your choice to a Method, a Collaboration or a model (which answers
            alone, with chain of thought).
        task: scores the answers; by default the split's own.
        out: a folder; None writes nothing.
        seed: kept in the results; nothing here is drawn by it.
        num_in_flight: examples evaluated at once; None is as many as the models take.
        summaries: of feedback by round, so that rows with an aligned model include its cost.
        explanations: that SFT learned from, likewise for all rows with a trained model.

    Returns:
        The content of results.json; `print` shows it as a table, a notebook as HTML, and `to_pandas` gives numbers.

    Examples:
        >>> import cowest
        >>> task = cowest.task("cowest.lab.task:Formulary")
        >>> guess = cowest.ScriptedModel(lambda request: "Answer: sedative")
        >>> results = cowest.evaluate(task.test[:40], {"guess": guess})
        >>> results
        EvaluationResults(task='formulary', metric='accuracy', num_examples=40, methods={'guess': '...% [..., ...]'})
        >>> results.methods["guess"].metrics["accuracy"].value
        0.025
        >>> list(results.to_pandas().columns)[:5]
        ['method', 'round', 'accuracy', 'accuracy_low', 'accuracy_high']

    Raises:
        InputError: the task is unknown, there is nothing to evaluate, or two methods have the same name.
        EndpointError: an endpoint failed for good, or every call of every method failed.
    """
    started = time.monotonic()
    task = task or (examples.task if isinstance(examples, Split) else None)
    if task is None:
        raise InputError("evaluate does not know how to score these examples. Give a split of a task, or task=...")
    rows = _as_methods(methods, task) if isinstance(methods, Mapping) else list(methods)
    if not rows or not examples:
        raise InputError("evaluate needs at least one method and one example.")
    repeated = sorted(name for name, count in Counter(method.name for method in rows).items() if count > 1)
    if repeated:
        raise InputError(f"Two methods have the same name ({', '.join(repeated)}). Name each row of the results once.")
    if out is not None:
        (Path(out) / AUDIT).unlink(missing_ok=True)  # of predictions that are about to be replaced
    groups = task.groups(examples)
    predictions: dict[str, list[Prediction]] = {}
    preparations: dict[str, Preparation | None] = {}
    for method in rows:
        found, own = predict_all(method, examples, task, num_in_flight)
        predictions[method.name] = [
            row.model_copy(update={"group": group}) for row, group in zip(found, groups, strict=True)
        ]
        preparations[method.name] = preparation_of(method.round, own, summaries or {}, explanations)
        if out is not None:
            runs.write_jsonl(Path(out) / "predictions" / f"{method.name}.jsonl", predictions[method.name])
    failed = [name for name, each in predictions.items() if failed_on_all(each)]
    if len(failed) == len(rows):
        raise EndpointError(
            f"Every call of every method failed ({', '.join(failed)}), which says nothing about them. The first "
            f"error: {predictions[failed[0]][0].error} What was paid for is kept; fix the cause and run the same "
            "command again."
        )
    results = summarise(predictions, {method.name: method.round for method in rows}, task, seed, preparations)
    results = results.model_copy(update={"wall_s": round(time.monotonic() - started, 3)})
    if out is not None:
        results.write(Path(out) / "results.json")
    return results


def _as_methods(by_name: Mapping[str, Method | Collaboration | Openable], task: Task) -> list[Method]:
    rows: list[Method] = []
    for name, answering in by_name.items():
        if isinstance(answering, Collaboration):
            rows.append(Collaborate(name, answering, task))
        elif isinstance(answering, Method):
            rows.append(answering)
        else:
            strong = open_model(answering, role="strong")
            rows.append(StrongOnly(name, Collaboration(strong, strong), task))
    return rows


def predict_all(
    method: Method, examples: Sequence[Example], task: Task, num_in_flight: int | None, title: str | None = None
) -> tuple[list[Prediction], Preparation | None]:
    """The predictions of one method, and its preparation; if that fails, so do all predictions.

    Args:
        title: of the progress bar; by default the method's name.
    """
    preparation = None
    if isinstance(method, Prepared):
        try:
            preparation = synchronous.run(method.prepare(num_in_flight))
        except CompletionError as error:
            synchronous.run(method.close())
            return [_failed_prediction(method, example, task, error) for example in examples], None
    with progress_bar(title or f"evaluate {method.name}", total=len(examples)) as bar:

        async def work(example: Example) -> Prediction:
            with counting() as calls:
                try:
                    row = await method.predict(example)
                except CompletionError as error:
                    row = _failed_prediction(method, example, task, error, calls)
            row = row.model_copy(update={"fields": short_fields(example)})
            bar.advance(1, correct=row.correct)
            return row

        async def all_rows() -> list[Prediction]:
            rows = await map_in_flight(work, examples, num_in_flight)
            await method.close()
            return rows

        return synchronous.run(all_rows()), preparation


def _failed_prediction(
    method: Method, example: Example, task: Task, error: CompletionError, calls: Calls | None = None
) -> Prediction:
    """The prediction of a failed example; `calls` are those before the one that failed."""
    num_calls, usage, cost_usd = spend(calls or [])
    return Prediction(
        id=example.id,
        method=method.name,
        query=example.query,
        reference=example.references,
        gold_label=task.gold_label(example),
        calls=num_calls,
        usage=usage,
        cost_usd=cost_usd,
        error=str(error),
    )
