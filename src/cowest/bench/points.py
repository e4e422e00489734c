"""The rows of a bench's table, the points of its sweeps, and the share of drafts that do not help."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cowest import words
from cowest.bench import measured
from cowest.bench.cell import Cell, folder_name
from cowest.bench.cells import MAIN, MAIN_PAIR, OWN, PAPERS_KIND, alignments
from cowest.bench.measured import Labels, Measured
from cowest.bench.outcomes import SeedRun
from cowest.bench.paid_calls import paid_calls
from cowest.method_names import (
    COLLABORATE,
    COLLABORATE_SFT,
    STRONG_ONLY,
    WEAK_ALIGNED,
    WEAK_ONLY,
    aligned_collaborate,
    aligned_weak_only,
    collaborate_round,
    kind_collaborate,
    kind_weak_only,
    rounds_in,
    with_strong,
)
from cowest.recipe import Recipe
from cowest.records import EvaluationResults, GradedExample

Points = list[tuple[Labels, Measured]]
"""The points of a sweep, each with its coordinates."""


def unhelpful_shares(graded: Iterable[GradedExample]) -> dict[str, float]:
    """By example: the share of its scored drafts with E(y*) <= E(z); examples without a scored draft are left out."""
    shares = {}
    for example in graded:
        gains = [draft.gain for draft in example.drafts if draft.gain is not None]
        if gains:
            shares[example.example_id] = sum(gain <= 0 for gain in gains) / len(gains)
    return shares


class BenchPoints:
    """Finds the measurements of one seed of a bench; failed ones have a reason.

    Args:
        run: of that seed.
        num_pairs: by which the point with all pairs is named, the same with every seed; by default those of this run.
    """

    def __init__(self, run: SeedRun, num_pairs: int | None = None) -> None:
        self.recipe = run.recipe
        self.cells = run.cells
        self.cell_results = run.cell_results
        self.pairs_by_kind = run.num_pairs
        self.num_pairs = run.num_pairs.get(PAPERS_KIND, 0) if num_pairs is None else num_pairs
        first = collaborate_round(1)
        self.first_round = first if first in self._methods(MAIN_PAIR) else COLLABORATE

    def rows(self) -> dict[str, Measured]:
        """Table 1: every method, those with further strong models, each kind of feedback and each method of alignment.

        The last two have a row for the weak model alone and one for it with the strong model.
        """
        rows: dict[str, Measured] = {}
        for cell in self.cells:
            if cell.purpose == "method":
                for method in self._methods(cell.name) or [cell.value]:
                    name = kind_weak_only(PAPERS_KIND) if method == WEAK_ALIGNED else method
                    rows[name] = self.find(cell.name, method, name)
            if cell.purpose == "strong":
                rows |= self._rows_with_strong(cell)
            if cell.purpose == "kind":
                for method, name in (
                    (WEAK_ALIGNED, kind_weak_only(cell.value)),
                    (COLLABORATE, kind_collaborate(cell.value)),
                ):
                    rows[name] = self.find(cell.name, method, name)
            if cell.purpose == "align":
                for method, name in (
                    (WEAK_ALIGNED, aligned_weak_only(cell.value)),
                    (COLLABORATE, aligned_collaborate(cell.value)),
                ):
                    rows[name] = self.find(cell.name, method, name)
        return rows

    def _rows_with_strong(self, cell: Cell) -> dict[str, Measured]:
        """A method's rows with a further strong model; rows that call no strong model are the recipe's own."""
        value, strong = cell.value.split(" ")
        results = self.results(cell.name)
        methods = [] if results is None else [name for name, row in results.methods.items() if "strong" in row.calls]
        names = {method: with_strong(method, strong) for method in methods or [value]}
        return {name: self.find(cell.name, method, name) for method, name in names.items()}

    def formats(self) -> Points:
        """Figure 3: each format without and with one round of alignment."""
        cell_names = {self.recipe.format: MAIN_PAIR}
        cell_names |= {cell.value: cell.name for cell in self.cells if cell.purpose == "format"}
        points = []
        for name, cell_name in cell_names.items():
            aligned = self.first_round if name == self.recipe.format else COLLABORATE
            for is_aligned, method in ((False, COLLABORATE_SFT), (True, aligned)):
                title = f"{name}, {'aligned' if is_aligned else 'not aligned'}"
                points.append((Labels(format=name, aligned=is_aligned), self.find(cell_name, method, title)))
        return points

    def pairs(self) -> Points:
        """Figure 4: from no pair to all pairs of the first round."""
        points = [(Labels(pairs=0), self.find(MAIN_PAIR, COLLABORATE_SFT, "0 pairs"))]
        counts = sorted(int(cell.value) for cell in self.cells if cell.purpose == "pairs")
        points += [
            (Labels(pairs=count), self.find(f"pairs-{count}", COLLABORATE, f"{count} pairs")) for count in counts
        ]
        if self.num_pairs:
            all_pairs = self.find(MAIN_PAIR, self.first_round, f"{self.num_pairs} pairs")
            points.append((Labels(pairs=self.num_pairs), all_pairs))
        return points

    def models(self) -> Points:
        """Figure 5: every weak model with every strong one, and each alone; one round of alignment."""
        pairs = [(OWN, OWN)]
        for cell in self.cells:
            if cell.purpose == "models":
                weak, strong = cell.value.split(" ")
                pairs.append((weak, strong))
        rows = (WEAK_ONLY, STRONG_ONLY, COLLABORATE_SFT, COLLABORATE)
        return [
            (Labels(weak=weak, strong=strong, row=row), self._model_row(weak, strong, row))
            for weak, strong in pairs
            for row in rows
        ]

    def _model_row(self, weak: str, strong: str, row: str) -> Measured:
        name = f"{row} ({weak}, {strong})"
        if (weak, strong) != (OWN, OWN):
            return self.find(f"models-{weak}-{strong}", row, name)
        cell = MAIN_PAIR if row == COLLABORATE_SFT else f"method-{row}"
        return self.find(cell, self.first_round if row == COLLABORATE else row, name)

    def rounds(self) -> Points:
        """Beyond the paper: after each round of alignment."""
        names = rounds_in(self._methods(MAIN_PAIR))
        methods = [COLLABORATE_SFT, *(names or [self.first_round])]
        return [
            (Labels(round=number), self.find(MAIN_PAIR, method, f"round {number}"))
            for number, method in enumerate(methods)
        ]

    def calls(self) -> Points:
        """Beyond the paper: the pair against paid calls, by each method of alignment; none without another method.

        After each of its rounds, and after one round of each number of `bench.queries`.
        """
        cells = {cell.value: cell for cell in self.cells if cell.purpose in ("align", "queries")}
        if not cells:
            return []
        points = [(Labels(round=0), self._with_calls(MAIN_PAIR, COLLABORATE_SFT, "before alignment", self.recipe, 0))]
        for name in alignments(self.recipe):
            if name != OWN and name not in cells:
                continue
            cell, recipe = (MAIN_PAIR, self.recipe) if name == OWN else (cells[name].name, cells[name].recipe)
            methods = rounds_in(self._methods(cell)) or [COLLABORATE]
            points += [
                (
                    Labels(alignment=name, round=number),
                    self._with_calls(cell, method, f"{name}, {words.plural(number, 'round')}", recipe, number),
                )
                for number, method in enumerate(methods, 1)
            ]
        for value, each in cells.items():
            if each.purpose == "queries":
                name, count = value.split(" ")
                point = self._with_calls(each.name, COLLABORATE, f"{name}, {count} queries", each.recipe, 1)
                points.append((Labels(alignment=name, round=1, queries=int(count)), point))
        return points

    def _with_calls(self, cell: str, method: str, name: str, recipe: Recipe, num_rounds: int) -> Measured:
        """A row of a cell with what its rounds called, whose files are in the folder of `recipe`."""
        row = self.find(cell, method, name)
        if row.numbers is None or (row.numbers.preparation is None and num_rounds):
            return row
        made = {} if row.numbers.preparation is None else row.numbers.preparation.calls
        return replace(row, paid_calls=paid_calls(recipe, num_rounds, made))

    def equal_pairs(self) -> Points:
        """Beyond the paper: each kind of feedback after one round with as many pairs."""
        counts = {kind: count for kind, count in self.pairs_by_kind.items() if count}
        if not self.recipe.bench.equal_pairs or len(counts) < 2:
            return []
        fewest = min(counts.values())
        return [
            (Labels(kind=kind, pairs=fewest), self._one_round(kind, count, fewest)) for kind, count in counts.items()
        ]

    def _one_round(self, kind: str, count: int, fewest: int) -> Measured:
        """A kind that gives so many pairs, after one round with as many as the kind that has the fewest."""
        name = f"{kind}, equal pairs"
        if count > fewest:
            return self.find(folder_name("equal", f"{kind} {fewest}"), COLLABORATE, name)
        cell = MAIN_PAIR if kind == PAPERS_KIND else folder_name("kind", kind)
        first = collaborate_round(1)
        return self.find(cell, first if first in self._methods(cell) else COLLABORATE, name)

    def results(self, cell: str) -> EvaluationResults | None:
        """results.json of a cell; None where it has none."""
        return self.cell_results[cell].results if cell in self.cell_results else None

    def find(self, cell: str, method: str, name: str) -> Measured:
        """A row of a cell, under its name in the bench."""
        result = self.cell_results.get(cell)
        if result is None:
            return Measured(name, Path(self.recipe.run), method, reason="it was not run", seed=self.recipe.seed)
        main = self.cell_results.get(MAIN)
        reason = result.reason or (main.reason if main is not None else None)
        return measured.find(name, result.folder, method, result.results, reason, self.recipe.seed)

    def _methods(self, cell: str) -> list[str]:
        results = self.results(cell)
        return [] if results is None else list(results.methods)
