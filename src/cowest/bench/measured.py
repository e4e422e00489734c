"""The measurements of a bench: rows and points with their scores, or the reason why one is missing."""

import functools
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from cowest.records import BenchRow, EvaluationResults, MethodResult, Prediction, read_rows


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


@dataclass(frozen=True)
class Measured:
    """A row of the table or a point of a sweep.

    Attributes:
        name: its name in the bench.
        folder: of the run it comes from.
        method: its method in that run.
        numbers: its entry in that run's results.json; None where it failed.
        reason: why it failed; None where it did not.
    """

    name: str
    folder: Path
    method: str
    numbers: MethodResult | None = None
    reason: str | None = None

    @functools.cached_property
    def scores(self) -> dict[str, float]:
        """The task's headline metric by example; examples without an answer count as wrong, as in results.json."""
        return {row.id: row.correct for row in self._rows}

    @functools.cached_property
    def groups(self) -> dict[str, str | None]:
        """The group of each example; None where it stands alone."""
        return {row.id: row.group for row in self._rows}

    @functools.cached_property
    def _rows(self) -> list[Prediction]:
        return self.predictions()

    def predictions(self) -> list[Prediction]:
        """The predictions behind the numbers."""
        path = self.folder / "evaluate" / "predictions" / f"{self.method}.jsonl"
        return list(read_rows(path, Prediction, "prediction"))

    def as_row(self, labels: Labels | None = None) -> BenchRow:
        """The row of bench.json."""
        numbers = dict(self.numbers) if self.numbers is not None else {}
        if labels is not None:
            numbers |= labels.model_dump(exclude_none=True)
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


def find(name: str, folder: Path, method: str, results: EvaluationResults | None, reason: str | None) -> Measured:
    """Finds a method in a run's results; a method that is missing or failed on every example has a reason instead.

    Args:
        results: of the run; None where it has none.
        reason: why the run failed, if it did.
    """
    numbers = results.methods.get(method) if results is not None else None
    if results is None or numbers is None:
        return Measured(name, folder, method, reason=reason or f"the run has no row {method!r}")
    row = Measured(name, folder, method, numbers)
    if numbers.num_failed == results.num_examples:
        return Measured(
            name, folder, method, reason=f"it failed on every example. The first: {row.predictions()[0].error}"
        )
    return row
