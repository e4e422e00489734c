"""What a bench has measured: rows and points with their scores, or the reason why one is missing."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cowest import runs


@dataclass(frozen=True)
class Measured:
    """A row of the table or a point of a sweep.

    Attributes:
        name: what it is called in the bench.
        folder: of the run that it is from.
        method: its name there.
        numbers: its part of that run's results.json; empty where it failed.
        reason: why it failed; None where it did not.
    """

    name: str
    folder: Path
    method: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None

    @functools.cached_property
    def scores(self) -> dict[str, float]:
        """The task's headline metric by example; what has no answer counts as wrong, as in results.json."""
        return {row["id"]: float(row["correct"]) for row in runs.read_jsonl(self._predictions)}

    @property
    def _predictions(self) -> Path:
        return self.folder / "evaluate" / "predictions" / f"{self.method}.jsonl"

    def as_dict(self) -> dict[str, Any]:
        """As it stands in bench.json."""
        state = "done" if self.reason is None else "failed"
        found = {"name": self.name, "state": state, "run": str(self.folder), "method": self.method}
        return found | ({"reason": self.reason} if self.reason is not None else dict(self.numbers))


def measured(name: str, folder: Path, method: str, results: Mapping[str, Any], reason: str | None) -> Measured:
    """Finds a method in a run's results; one that is not there, or that failed on every example, is a failure.

    Args:
        results: results.json of the run; empty where it has none.
        reason: why the run failed, if it did.
    """
    numbers = results.get("methods", {}).get(method)
    if numbers is None:
        return Measured(name, folder, method, reason=reason or f"the run has no row {method!r}")
    row = Measured(name, folder, method, numbers)
    if numbers["num_failed"] == results["num_examples"]:
        first = next(runs.read_jsonl(row._predictions))
        return Measured(name, folder, method, reason=f"it failed on every example. The first: {first['error']}")
    return row
