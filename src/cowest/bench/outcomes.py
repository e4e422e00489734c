"""What a bench ran: each cell's results or the reason why there are none, for each seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cowest.bench.cell import Cell
from cowest.recipe import Recipe
from cowest.records import EvaluationResults, GradedExample


@dataclass
class CellResult:
    """The outcome of a cell: its results.json, or the reason why there is none."""

    folder: Path
    results: EvaluationResults | None = None
    reason: str | None = None
    wall_s: float = 0.0


@dataclass(frozen=True)
class Probe:
    """Graded drafts of the weak model on the same examples, before and after alignment."""

    before: Sequence[GradedExample]
    after: Sequence[GradedExample]


@dataclass(frozen=True)
class SeedRun:
    """What a bench ran with one seed.

    Attributes:
        recipe: with that seed, and the folder of its runs.
        cells, cell_results: the cells, and their outcomes by name.
        num_pairs: preference pairs of the first round, by kind of feedback.
    """

    recipe: Recipe
    cells: Sequence[Cell]
    cell_results: Mapping[str, CellResult]
    probe: Probe | None
    num_pairs: Mapping[str, int]
