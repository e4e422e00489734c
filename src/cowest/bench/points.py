"""The rows of a bench's table, the points of its sweeps, and the share of drafts that do not help."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cowest import statistics
from cowest.bench.cells import MAIN, OWN, PAPERS_KIND, Cell
from cowest.bench.measured import Measured, measured
from cowest.recipe import Recipe
from cowest.types import GradedExample


class Ran(Protocol):
    """How a cell ended."""

    folder: Path
    results: dict[str, Any]
    reason: str | None
    wall_s: float


@dataclass(frozen=True)
class Probe:
    """Graded drafts of the weak model on the same examples, before and after alignment."""

    before: Sequence[GradedExample]
    after: Sequence[GradedExample]


def unhelpful_shares(graded: Iterable[GradedExample]) -> dict[str, float]:
    """By example: the share of its scored drafts with E(y*) <= E(z); examples without a scored draft are left out."""
    shares = {}
    for example in graded:
        gains = [draft.gain for draft in example.drafts if draft.gain is not None]
        if gains:
            shares[example.example_id] = sum(gain <= 0 for gain in gains) / len(gains)
    return shares


class Points:
    """Finds what was measured; whatever failed is there with its reason.

    Attributes:
        num_pairs: preference pairs of the run's first round.
    """

    def __init__(
        self, recipe: Recipe, cells: Sequence[Cell], outcomes: Mapping[str, Ran], probe: Probe | None, num_pairs: int
    ) -> None:
        self.recipe = recipe
        self.cells = cells
        self.outcomes = outcomes
        self.probe = probe
        self.num_pairs = num_pairs
        own = self.results("method-collaborate")
        self.first_round = "collaborate_round_1" if "collaborate_round_1" in own.get("methods", {}) else "collaborate"

    def rows(self) -> dict[str, Measured]:
        """Table 1: every method, then each kind of feedback alone and with the strong model."""
        found: dict[str, Measured] = {}
        for cell in self.cells:
            if cell.purpose == "method":
                methods = list(self.results(cell.name).get("methods", {})) or [cell.value]
                for method in methods:
                    name = f"{PAPERS_KIND}_weak_only" if method == "weak_aligned" else method
                    found[name] = self.find(cell.name, method, name)
            if cell.purpose == "kind":
                for method, ending in (("weak_aligned", "weak_only"), ("collaborate", "collaborate")):
                    name = f"{cell.value}_{ending}"
                    found[name] = self.find(cell.name, method, name)
        return found

    def formats(self) -> list[tuple[dict[str, Any], Measured]]:
        """Figure 3: each format without and with one round of alignment."""
        runs_of = {self.recipe.format: "method-collaborate"}
        runs_of |= {cell.value: cell.name for cell in self.cells if cell.purpose == "format"}
        points = []
        for name, cell_name in runs_of.items():
            aligned = self.first_round if name == self.recipe.format else "collaborate"
            for is_aligned, method in ((False, "collaborate_sft"), (True, aligned)):
                label = f"{name}, {'aligned' if is_aligned else 'not aligned'}"
                points.append(({"format": name, "aligned": is_aligned}, self.find(cell_name, method, label)))
        return points

    def pairs(self) -> list[tuple[dict[str, Any], Measured]]:
        """Figure 4: from no pair to all of the first round's."""
        points = [({"pairs": 0}, self.find("method-collaborate", "collaborate_sft", "0 pairs"))]
        counts = sorted(int(cell.value) for cell in self.cells if cell.purpose == "pairs")
        points += [({"pairs": count}, self.find(f"pairs-{count}", "collaborate", f"{count} pairs")) for count in counts]
        if self.num_pairs:
            whole = self.find("method-collaborate", self.first_round, f"{self.num_pairs} pairs")
            points.append(({"pairs": self.num_pairs}, whole))
        return points

    def models(self) -> list[tuple[dict[str, Any], Measured]]:
        """Figure 5: every weak model with every strong one, and each alone; one round of alignment."""
        points = []
        pairs = [(OWN, OWN)]
        pairs += [tuple(cell.value.split(" ")) for cell in self.cells if cell.purpose == "models"]  # type: ignore[misc]
        for weak, strong in pairs:
            for row in ("weak_only", "strong_only", "collaborate_sft", "collaborate"):
                labels = {"weak": weak, "strong": strong, "row": row}
                points.append((labels, self._model_row(weak, strong, row)))
        return points

    def _model_row(self, weak: str, strong: str, row: str) -> Measured:
        name = f"{row} ({weak}, {strong})"
        if (weak, strong) != (OWN, OWN):
            return self.find(f"models-{weak}-{strong}", row, name)
        cell = {"collaborate_sft": "collaborate"}.get(row, row)
        return self.find(f"method-{cell}", self.first_round if row == "collaborate" else row, name)

    def rounds(self) -> list[tuple[dict[str, Any], Measured]]:
        """Beyond the paper: after each round of alignment."""
        names = [name for name in self.results("method-collaborate").get("methods", {}) if "_round_" in name]
        methods = ["collaborate_sft", *(names or [self.first_round])]
        return [
            ({"round": number}, self.find("method-collaborate", method, f"round {number}"))
            for number, method in enumerate(methods)
        ]

    def shares(self) -> dict[str, Any] | None:
        """Section 3.5: the share of drafts that do not beat the strong model alone, before and after alignment."""
        if self.probe is None:
            return None
        found: dict[str, Any] = {}
        for name, graded in (("before", self.probe.before), ("after", self.probe.after)):
            values = list(unhelpful_shares(graded).values())
            if values:
                interval = statistics.mean_interval(values, seed=self.recipe.seed)
                found[name] = {
                    "value": interval.value,
                    "ci95": [interval.low, interval.high],
                    "num_examples": len(values),
                }
        return found

    def results(self, cell: str) -> dict[str, Any]:
        """results.json of a cell; empty where it has none."""
        return self.outcomes[cell].results if cell in self.outcomes else {}

    def find(self, cell: str, method: str, name: str) -> Measured:
        """A row of a cell, under the name that it has in the bench."""
        ran = self.outcomes.get(cell)
        if ran is None:
            return Measured(name, Path(self.recipe.run), method, reason="it was not run")
        own = self.outcomes.get(MAIN)
        reason = ran.reason or (own.reason if own is not None else None)
        return measured(name, ran.folder, method, ran.results, reason)
