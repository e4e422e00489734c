"""From predictions to results.json: metrics with intervals, sums of calls, paired comparisons."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from cowest import classification, statistics
from cowest.method_names import (
    COLLABORATE,
    COLLABORATE_SERVED,
    COLLABORATE_SFT,
    ORACLE,
    SINGLE_MODELS,
    rounds_in,
)
from cowest.pricing import total_usd
from cowest.records import Comparison, Difference, Estimate, EvaluationResults, Latency, MethodResult, Preparation
from cowest.records.spend import add_calls, add_usage
from cowest.tasks.base import Task
from cowest.types import Prediction

MACRO_F1 = "macro_f1"
MACRO_F1_PUBLISHED = "macro_f1_published"
"""Not compared between methods: it says what a paper would print, and jumps with the first unparsed answer."""

Predictions = Mapping[str, Sequence[Prediction]]
"""By method, on the same examples in the same order."""


def summarise(
    predictions: Predictions,
    rounds: Mapping[str, int | None],
    task: Task,
    seed: int,
    preparations: Mapping[str, Preparation | None] | None = None,
) -> EvaluationResults:
    """The content of results.json except `wall_s`.

    A method that failed on every example gets no score and no comparison: a failure is not a score of 0.
    """
    methods = {
        name: _method_result(rows, task, rounds[name], (preparations or {}).get(name))
        for name, rows in predictions.items()
    }
    scored = {name: rows for name, rows in predictions.items() if methods[name].failed is None}
    return EvaluationResults(
        task=task.name,
        metric=task.metric,
        num_examples=len(next(iter(predictions.values()))),
        num_groups=statistics.count_groups(_groups(next(iter(predictions.values())))),
        seed=seed,
        methods=methods,
        comparisons=[
            _compare(a, b, scored, metric)
            for metric in _metric_names(scored, task)
            for a, b in _compared_pairs(list(scored))
        ],
        oracle_gap_closed=_oracle_gap_closed(
            {name: float(np.mean([row.correct for row in rows])) for name, rows in scored.items()}
        ),
    )


def failed_on_all(rows: Sequence[Prediction]) -> bool:
    """Whether no example got a reply."""
    return all(row.error is not None for row in rows)


def _method_result(
    rows: Sequence[Prediction], task: Task, round_number: int | None, preparation: Preparation | None
) -> MethodResult:
    failed = rows[0].error if failed_on_all(rows) else None
    # The time of a failed call says nothing about the method.
    latency = np.array([row.latency_s for row in rows if row.error is None] or [0.0])
    calls = add_calls(row.calls for row in rows)
    usage = add_usage(row.usage for row in rows)
    num_unparsed = sum(row.error is None and _holds_no_answer(row) for row in rows)
    return MethodResult(
        round=round_number,
        metrics={} if failed is not None else _metrics(rows, task),
        confusion=classification.confusion(*_labels(rows)) if _has_labels(rows) else None,
        num_failed=sum(row.error is not None for row in rows),
        num_unparsed=num_unparsed,
        unparsed_share=num_unparsed / len(rows),
        calls={role: calls[role] for role in sorted(calls)},
        usage={role: usage[role] for role in sorted(usage)},
        cost_usd=total_usd(row.cost_usd for row in rows),
        latency_s=Latency(p50=float(np.quantile(latency, 0.5)), p95=float(np.quantile(latency, 0.95))),
        failed=failed,
        preparation=preparation,
    )


def _holds_no_answer(row: Prediction) -> bool:
    """Whether no answer was found in the reply, or, where answers are labels, none that means a label."""
    return row.answer is None or (row.gold_label is not None and row.label is None)


def _metrics(rows: Sequence[Prediction], task: Task) -> dict[str, Estimate]:
    estimates = {
        name: Estimate.of(statistics.mean_interval(_scores(rows, name), _groups(rows)))
        for name in _metric_names({"": rows}, task)
        if name != MACRO_F1
    }
    if _has_labels(rows):
        labels, groups = _labels(rows), _groups(rows)
        estimates[MACRO_F1] = Estimate.of(classification.macro_f1_interval(*labels, groups))
        estimates[MACRO_F1_PUBLISHED] = Estimate.of(classification.macro_f1_published_interval(*labels, groups))
    return estimates


def _metric_names(predictions: Predictions, task: Task) -> list[str]:
    """The headline metric, the task's other metrics, and macro-F1 where there are labels."""
    rows = [row for each in predictions.values() for row in each]
    names = dict.fromkeys([task.metric])
    names |= dict.fromkeys(name for row in rows for name in row.scores)
    return [*names, *([MACRO_F1] if _has_labels(rows) else [])]


def _has_labels(rows: Sequence[Prediction]) -> bool:
    return all(row.gold_label is not None for row in rows)


def _groups(rows: Sequence[Prediction]) -> list[str | None]:
    return [row.group for row in rows]


def _scores(rows: Sequence[Prediction], metric: str) -> list[float]:
    return [row.scores.get(metric, 0.0) for row in rows]


def _labels(rows: Sequence[Prediction]) -> tuple[list[str], list[str | None]]:
    return [row.gold_label or "" for row in rows], [row.label for row in rows]


def _compared_pairs(names: list[str]) -> list[tuple[str, str]]:
    """The pair against all others except its own alias, then the unaligned pair against the single models."""
    pairs = []
    if COLLABORATE in names:
        alias = rounds_in(names)[-1:]
        pairs += [(COLLABORATE, name) for name in names if name not in (COLLABORATE, *alias)]
    for unaligned in (COLLABORATE_SFT, COLLABORATE_SERVED):
        if unaligned in names:
            pairs += [(unaligned, name) for name in names if name in SINGLE_MODELS]
    return pairs or [(b, a) for a, b in itertools.combinations(names, 2)]


def _compare(a: str, b: str, predictions: Predictions, metric: str) -> Comparison:
    first, second = predictions[a], predictions[b]
    groups = _groups(first)
    if metric == MACRO_F1:
        (gold, labels_a), (_, labels_b) = _labels(first), _labels(second)
        difference = classification.macro_f1_difference(gold, labels_a, labels_b, groups)
        return Comparison(a=a, b=b, metric=metric, **dict(Difference.of(difference)))
    scores_a, scores_b = _scores(first, metric), _scores(second, metric)
    difference = statistics.paired_difference(scores_a, scores_b, groups)
    rates = statistics.help_and_harm(alone=scores_b, together=scores_a)
    return Comparison(a=a, b=b, metric=metric, **dict(Difference.of(difference)), **rates._asdict())


def _oracle_gap_closed(means: Mapping[str, float]) -> float | None:
    """The share of the gap between the better single model and the oracle that the pair closes."""
    singles = [mean for name, mean in means.items() if name in SINGLE_MODELS]
    if not singles or ORACLE not in means or COLLABORATE not in means or means[ORACLE] <= max(singles):
        return None
    return (means[COLLABORATE] - max(singles)) / (means[ORACLE] - max(singles))
