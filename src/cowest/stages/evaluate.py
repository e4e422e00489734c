"""Evaluate: every method on the same examples, compared with intervals, calls, tokens, latency and money."""

import itertools
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from pydantic import Field

from cowest import classification, runs, statistics, synchronous
from cowest.collaboration import Calls, Collaboration, counting
from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError, EndpointError, InputError
from cowest.methods import Method, MethodOptions, Prepared
from cowest.methods.base import Preparation, spend
from cowest.methods.collaborate import Collaborate
from cowest.methods.strong_only import StrongOnly
from cowest.models import Openable, open_model
from cowest.progress import progress_bar
from cowest.stages._facets import short_fields
from cowest.stages.preparation import preparation_of
from cowest.tasks.base import SplitName, Task
from cowest.types import Example, Prediction, Record, Sampling, Usage

MACRO_F1 = "macro_f1"
SINGLE_MODELS = ("weak_only", "weak_only_base", "strong_only", "strong_only_direct")


class EvaluateConfig(Record):
    """What is measured.

    Attributes:
        split: which split.
        limit: only its first so many examples; None takes all.
        sample: so many examples drawn by `sample_seed`, in the order of the data; None takes all. The seed is not the
            recipe's, so that runs of several seeds measure the same examples.
        methods: files of methods/ or `package.module:Class`; each may stand for several rows.
        settings: of single methods.
        weak_sampling, strong_sampling: how the models are sampled here; None samples as in feedback.
    """

    split: SplitName = "test"
    limit: int | None = Field(default=None, ge=1)
    sample: int | None = Field(default=None, ge=1)
    sample_seed: int = Field(default=0, ge=0)
    methods: tuple[str, ...] = ("weak_only", "strong_only", "collaborate")
    settings: MethodOptions = MethodOptions()
    weak_sampling: Sampling | None = None
    strong_sampling: Sampling | None = None


def chosen(examples: Sequence[Example], config: EvaluateConfig) -> Sequence[Example]:
    """The examples that are measured: a drawn sample where the config wants one, then the first so many."""
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
    num_in_flight: int = 64,
    harvests: Mapping[int, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Runs every method on every example, compares them, and writes predictions and results.json to `out`.

    Args:
        examples: a split of a task, or any examples if `task` is given.
        methods: methods, or anything that answers under a name of your choice: a Method, a Collaboration, or a model
            (which answers alone with chain of thought).
        task: scores the answers; by default the one that the split belongs to.
        out: a folder; None writes nothing.
        seed: of the bootstrap.
        num_in_flight: examples worked on at once.
        harvests: summary.json of feedback by round, so that rows with an aligned model say what that took.

    Returns:
        What results.json holds. A row's `preparation` is what it took once, apart from its `calls` and `cost_usd`; a
        row without one took none, or it is not known.

    Raises:
        InputError: no task is known, there is nothing to evaluate, or two methods have one name.
        EndpointError: an endpoint failed for good, or every call of every method failed.
    """
    started = time.monotonic()
    task = task or getattr(examples, "task", None)
    if task is None:
        raise InputError("evaluate does not know how to score these examples. Give a split of a task, or task=...")
    rows = _as_methods(methods, task) if isinstance(methods, Mapping) else list(methods)
    if not rows or not examples:
        raise InputError("evaluate needs at least one method and one example.")
    repeated = sorted(name for name, count in Counter(method.name for method in rows).items() if count > 1)
    if repeated:
        raise InputError(f"Two methods have the same name ({', '.join(repeated)}). Name each row of the results once.")
    predictions: dict[str, list[Prediction]] = {}
    preparations: dict[str, dict[str, Any] | None] = {}
    for method in rows:
        predictions[method.name], own = _predict_all(method, examples, task, num_in_flight)
        preparations[method.name] = preparation_of(method.round, own, harvests or {})
        if out is not None:
            runs.write_jsonl(Path(out) / "predictions" / f"{method.name}.jsonl", predictions[method.name])
    failed = [name for name, each in predictions.items() if _failed_whole(each)]
    if len(failed) == len(rows):
        raise EndpointError(
            f"Every call of every method failed ({', '.join(failed)}), which says nothing about them. The first failed "
            f"so: {predictions[failed[0]][0].error} What was paid for is kept; mend the cause and run the same command "
            "again."
        )
    results = summarise(predictions, {method.name: method.round for method in rows}, task, seed)
    for name, preparation in preparations.items():
        if preparation is not None:
            results["methods"][name]["preparation"] = preparation
    results |= {"wall_s": round(time.monotonic() - started, 3)}
    if out is not None:
        runs.write_json(Path(out) / "results.json", results)
    return results


def _as_methods(named: Mapping[str, Method | Collaboration | Openable], task: Task) -> list[Method]:
    rows: list[Method] = []
    for name, answering in named.items():
        if isinstance(answering, Collaboration):
            rows.append(Collaborate(name, answering, task))
        elif isinstance(answering, Method):
            rows.append(answering)
        else:
            strong = open_model(answering, role="strong")
            rows.append(StrongOnly(name, Collaboration(strong, strong), task))
    return rows


def summarise(
    predictions: dict[str, list[Prediction]], rounds: dict[str, int | None], task: Task, seed: int
) -> dict[str, Any]:
    """The numbers of results.json from the predictions of every method on the same examples, in the same order.

    A method that failed on every example has no score, and is compared with nothing: a failure is never a score.
    """
    num_examples = len(next(iter(predictions.values())))
    failed = {name: each[0].error for name, each in predictions.items() if _failed_whole(each)}
    methods = {name: {"round": rounds[name], **_method_numbers(rows, task, seed)} for name, rows in predictions.items()}
    for name, reason in failed.items():
        methods[name] |= {"metrics": {}, "failed": reason}
    scored = {name: each for name, each in predictions.items() if name not in failed}
    means = {name: float(np.mean([row.correct for row in each])) for name, each in scored.items()}
    results: dict[str, Any] = {
        "task": task.name,
        "metric": task.metric,
        "num_examples": num_examples,
        "seed": seed,
        "methods": methods,
        "comparisons": [
            _compare(a, b, scored, metric, seed)
            for metric in _metric_names(scored, task)
            for a, b in _comparisons(list(scored))
        ],
    }
    closed = _oracle_gap_closed(means)
    return results if closed is None else results | {"oracle_gap_closed": closed}


def _failed_whole(rows: Sequence[Prediction]) -> bool:
    return all(row.error is not None for row in rows)


def _predict_all(
    method: Method, examples: Sequence[Example], task: Task, num_in_flight: int
) -> tuple[list[Prediction], Preparation | None]:
    """The rows of one method, and what it took to get it ready; all rows fail where it cannot get ready."""
    preparation = None
    if isinstance(method, Prepared):
        try:
            preparation = synchronous.run(method.prepare(num_in_flight))
        except CompletionError as error:
            synchronous.run(method.close())
            return [_failed(method, example, task, error) for example in examples], None
    with progress_bar(f"evaluate {method.name}", total=len(examples)) as bar:

        async def work(example: Example) -> Prediction:
            with counting() as calls:
                try:
                    row = await method.predict(example)
                except CompletionError as error:
                    row = _failed(method, example, task, error, calls)
            row = row.model_copy(update={"fields": short_fields(example)})
            bar.advance(1, correct=row.correct)
            return row

        async def all_rows() -> list[Prediction]:
            rows = await map_in_flight(work, examples, num_in_flight)
            await method.close()
            return rows

        return synchronous.run(all_rows()), preparation


def _failed(
    method: Method, example: Example, task: Task, error: CompletionError, calls: Calls | None = None
) -> Prediction:
    """The row of an example without an answer; `calls` are those that came before the one that failed."""
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


def _metric_names(predictions: dict[str, list[Prediction]], task: Task) -> list[str]:
    """The headline, the task's other metrics, and macro-F1 where there are labels."""
    rows = [row for each in predictions.values() for row in each]
    names = dict.fromkeys([task.metric])
    names |= dict.fromkeys(name for row in rows for name in row.scores)
    return [*names, *([MACRO_F1] if _has_labels(rows) else [])]


def _has_labels(rows: Sequence[Prediction]) -> bool:
    return all(row.gold_label is not None for row in rows)


def _scores(rows: Sequence[Prediction], metric: str) -> list[float]:
    return [row.scores.get(metric, 0.0) for row in rows]


def _labels(rows: Sequence[Prediction]) -> tuple[list[str], list[str | None]]:
    return [row.gold_label or "" for row in rows], [row.label for row in rows]


def _method_numbers(rows: list[Prediction], task: Task, seed: int) -> dict[str, Any]:
    metrics = {
        name: _interval(statistics.mean_interval(_scores(rows, name), seed=seed))
        for name in _metric_names({"": rows}, task)
        if name != MACRO_F1
    }
    table: dict[str, Any] = {}
    if _has_labels(rows):
        metrics[MACRO_F1] = _interval(classification.macro_f1_interval(*_labels(rows), seed=seed))
        table = {"confusion": classification.confusion(*_labels(rows))}
    roles = sorted({role for row in rows for role in row.calls})
    # A row without an answer took no time that says anything.
    latency = np.array([row.latency_s for row in rows if row.error is None] or [0.0])
    costs = [row.cost_usd for row in rows]
    return {
        "metrics": metrics,
        **table,
        "num_failed": sum(row.error is not None for row in rows),
        "num_unparsed": sum(row.error is None and row.answer is None for row in rows),
        "calls": {role: sum(row.calls.get(role, 0) for row in rows) for role in roles},
        "usage": {role: _total_usage(rows, role).model_dump() for role in roles},
        "cost_usd": None if None in costs else sum(cost for cost in costs if cost is not None),
        "latency_s": {"p50": float(np.quantile(latency, 0.5)), "p95": float(np.quantile(latency, 0.95))},
    }


def _total_usage(rows: list[Prediction], role: str) -> Usage:
    return sum((row.usage.get(role, Usage()) for row in rows), Usage())


def _interval(interval: statistics.Interval) -> dict[str, Any]:
    return {"value": interval.value, "ci95": [interval.low, interval.high]}


def _comparisons(names: list[str]) -> list[tuple[str, str]]:
    """The collaboration against all others but its own alias, then the unaligned one against the singles."""
    found = []
    rounds = [name for name in names if name.startswith("collaborate_round_")]
    if "collaborate" in names:
        alias = rounds[-1:]
        found += [("collaborate", name) for name in names if name not in ("collaborate", *alias)]
    if "collaborate_sft" in names:
        found += [("collaborate_sft", name) for name in names if name in SINGLE_MODELS]
    return found or [(b, a) for a, b in itertools.combinations(names, 2)]


def _compare(a: str, b: str, predictions: dict[str, list[Prediction]], metric: str, seed: int) -> dict[str, Any]:
    first, second = predictions[a], predictions[b]
    rates: dict[str, float] = {}
    if metric == MACRO_F1:
        gold, of_a = _labels(first)
        difference = classification.macro_f1_difference(gold, of_a, _labels(second)[1], seed=seed)
    else:
        scores = _scores(first, metric), _scores(second, metric)
        difference = statistics.paired_difference(*scores, seed=seed)
        rates = statistics.help_and_harm(alone=scores[1], together=scores[0])._asdict()
    return {
        "a": a,
        "b": b,
        "metric": metric,
        "difference": difference.difference,
        "ci95": [difference.low, difference.high],
        "p_value": difference.p_value,
        **rates,
    }


def _oracle_gap_closed(means: dict[str, float]) -> float | None:
    """Share of the distance from the better single model to the oracle that the collaboration closes."""
    singles = [mean for name, mean in means.items() if name in SINGLE_MODELS]
    if not singles or "oracle" not in means or "collaborate" not in means or means["oracle"] <= max(singles):
        return None
    return (means["collaborate"] - max(singles)) / (means["oracle"] - max(singles))
