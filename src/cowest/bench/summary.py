"""From the runs of a bench to bench.json: rows, sweeps, and the paper's claims with their outcomes."""

from collections.abc import Mapping, Sequence

from cowest.bench.cells import Cell, CellResult
from cowest.bench.claims import papers_claims
from cowest.bench.points import BenchPoints, Probe
from cowest.recipe import Recipe
from cowest.records import BenchCell, BenchResults


def summarise(
    recipe: Recipe,
    cells: Sequence[Cell],
    cell_results: Mapping[str, CellResult],
    probe: Probe | None,
    num_pairs: int,
) -> BenchResults:
    """The content of bench.json.

    Args:
        num_pairs: preference pairs of the run's first round.
    """
    points = BenchPoints(recipe, cells, cell_results, probe, num_pairs)
    results = next((cell.results for cell in cell_results.values() if cell.results is not None), None)
    rows = points.rows()
    sweeps = {
        "formats": points.formats(),
        "pairs": points.pairs(),
        "models": points.models(),
        "rounds": points.rounds(),
    }
    return BenchResults(
        run=recipe.run,
        task=results and results.task,
        metric=results and results.metric,
        num_examples=results and results.num_examples,
        num_groups=results and results.num_groups,
        seed=recipe.seed,
        rows=[row.as_row() for row in rows.values()],
        sweeps={name: [point.as_row(labels) for labels, point in sweep] for name, sweep in sweeps.items()},
        unhelpful_share=points.unhelpful(),
        claims=papers_claims(points, rows),
        cells={
            name: BenchCell(run=str(cell.folder), reason=cell.reason, wall_s=round(cell.wall_s, 1))
            for name, cell in cell_results.items()
        },
    )
