"""The measurements of a bench: rows and points with their scores by seed, or the reason why one is missing."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cowest import classification, statistics
from cowest.method_names import WEAK_ONLY_BASE
from cowest.records import BenchRow, Estimate, EvaluationResults, MethodResult, Prediction, read_rows

Scores = dict[str, float]
"""By example."""

_BY_LABELS = {
    "macro_f1": classification.macro_f1_by_example,
    "macro_f1_published": classification.macro_f1_published_by_example,
}


class Labels(BaseModel):
    """The coordinates of a point in its sweep; see `BenchRow`."""

    model_config = ConfigDict(frozen=True)

    format: str | None = None
    aligned: bool | None = None
    pairs: int | None = None
    weak: str | None = None
    strong: str | None = None
    row: str | None = None
    round: int | None = None
    kind: str | None = None
    alignment: str | None = None
    queries: int | None = None


@dataclass(frozen=True)
class Measured:
    """A row of the table or a point of a sweep.

    Attributes:
        name: its name in the bench.
        folder: of the run it comes from.
        method: its method in that run.
        numbers: its entry in that run's results.json; None where it failed.
        reason: why it failed; None where it did not.
        metric: the headline metric.
        seed: of the run.
        repeats: the same row with further seeds, where training changes it.
        paid_calls: see `BenchRow`; None where that is not asked or not known.
    """

    name: str
    folder: Path
    method: str
    numbers: MethodResult | None = None
    reason: str | None = None
    metric: str = ""
    seed: int = 0
    repeats: Sequence["Measured"] = field(default=())
    paid_calls: Mapping[str, int] | None = None

    @property
    def is_trained(self) -> bool:
        """Whether it depends on training, and so on the seed; rows without the weak model, or with its base, do not."""
        return self.numbers is not None and "weak" in self.numbers.calls and self.method != WEAK_ONLY_BASE

    @functools.cached_property
    def groups(self) -> dict[str, str | None]:
        """The group of each example, None where it stands alone."""
        return {row.id: row.group for row in self._rows}

    def by_seed(self, metric: str | None = None) -> dict[int, Scores]:
        """A value for each example, with each seed; their mean is the metric.

        Examples without an answer count as wrong, as in results.json.

        Args:
            metric: by default the headline metric.
        """
        return {each.seed: each.scores(metric or self.metric) for each in self._measured}

    def scores(self, metric: str) -> Scores:
        """A value for each example with its own seed."""
        ids = [row.id for row in self._rows]
        if metric in _BY_LABELS:
            labels = [row.gold_label or "" for row in self._rows], [row.label for row in self._rows]
            return dict(zip(ids, map(float, _BY_LABELS[metric](*labels)), strict=True))
        if metric == self.metric:
            return {row.id: row.correct for row in self._rows}
        return {row.id: row.scores.get(metric, 0.0) for row in self._rows}

    def predictions(self) -> list[Prediction]:
        """The predictions behind the numbers."""
        path = self.folder / "evaluate" / "predictions" / f"{self.method}.jsonl"
        return list(read_rows(path, Prediction, "prediction"))

    def as_row(self, labels: Labels | None = None) -> BenchRow:
        """The row of bench.json."""
        numbers = dict(self.numbers) if self.numbers is not None else {}
        if labels is not None:
            numbers |= labels.model_dump(exclude_none=True)
        if len(self._measured) > 1:
            numbers |= self._over_seeds()
        if counted := [each.paid_calls for each in self._measured if each.paid_calls is not None]:
            roles = dict.fromkeys(role for each in counted for role in each)
            numbers["paid_calls"] = {role: sum(each.get(role, 0) for each in counted) / len(counted) for role in roles}
        if failed := {str(each.seed): each.reason for each in self.repeats if each.reason is not None}:
            numbers["failed_seeds"] = failed
        return BenchRow.model_validate(
            numbers
            | {
                "name": self.name,
                "state": "done" if self.reason is None else "failed",
                "run": str(self.folder),
                "method": self.method,
                "reason": self.reason,
            }
        )

    @property
    def _measured(self) -> list["Measured"]:
        """The row itself and its repeats, those that did not fail."""
        return [each for each in (self, *self.repeats) if each.reason is None]

    @functools.cached_property
    def _rows(self) -> list[Prediction]:
        return self.predictions()

    def _over_seeds(self) -> dict[str, object]:
        """What the row says of all its seeds, in place of the first one's numbers."""
        found = [each.numbers for each in self._measured if each.numbers is not None]
        most_unparsed = max(found, key=lambda each: each.num_unparsed)
        names = [name for name in found[0].metrics if all(name in each.metrics for each in found)]
        return {
            "metrics": {name: Estimate.of(interval_over_seeds(self.by_seed(name), self.groups)) for name in names},
            "num_failed": max(each.num_failed for each in found),
            "num_unparsed": most_unparsed.num_unparsed,
            "unparsed_share": most_unparsed.unparsed_share,
            "confusion": None,
            "by_seed": {
                str(each.seed): each.numbers.metrics[self.metric].value
                for each in self._measured
                if each.numbers is not None and self.metric in each.numbers.metrics
            },
        }


def interval_over_seeds(by_seed: Mapping[int, Scores], groups: Mapping[str, str | None]) -> statistics.Interval:
    """The mean over seeds and over the examples that every seed has, with an interval that covers both."""
    ids = in_all(by_seed.values())
    values = [[scores[each] for each in ids] for scores in by_seed.values()]
    return statistics.mean_interval_over_seeds(values, [groups.get(each) for each in ids])


def in_all(scores: Iterable[Scores]) -> list[str]:
    """The examples that all have, in the order of the first."""
    first, *others = scores
    return [each for each in first if all(each in other for other in others)]


def with_repeats(row: Measured, repeats: Sequence[Measured | None]) -> Measured:
    """The row with the same row of further seeds; unchanged where no training changes it."""
    if not row.is_trained:
        return row
    return replace(row, repeats=[each for each in repeats if each is not None])


def find(
    name: str, folder: Path, method: str, results: EvaluationResults | None, reason: str | None, seed: int = 0
) -> Measured:
    """Finds a method in a run's results; a method that is missing or failed on every example has a reason instead.

    Args:
        results: of the run; None where it has none.
        reason: why the run failed, if it did.
        seed: of the run.
    """
    numbers = results.methods.get(method) if results is not None else None
    if results is None or numbers is None:
        return Measured(name, folder, method, reason=reason or f"the run has no row {method!r}", seed=seed)
    row = Measured(name, folder, method, numbers, metric=results.metric, seed=seed)
    if numbers.num_failed == results.num_examples:
        return Measured(
            name,
            folder,
            method,
            reason=f"it failed on every example. The first: {row.predictions()[0].error}",
            seed=seed,
        )
    return row
