"""From the runs of a bench to bench.json: rows, sweeps, and the paper's claims with their outcomes."""

from collections.abc import Sequence

from cowest.bench.claims import papers_claims
from cowest.bench.outcomes import SeedRun
from cowest.bench.over_seeds import BenchMeasurements
from cowest.records import BenchCell, BenchResults


def summarise(runs: Sequence[SeedRun]) -> BenchResults:
    """The content of bench.json.

    Args:
        runs: by seed, the recipe's own first.
    """
    first, measured = runs[0], BenchMeasurements(runs)
    results = next((cell.results for cell in first.cell_results.values() if cell.results is not None), None)
    sweeps = {
        "formats": measured.formats,
        "pairs": measured.pairs,
        "equal_pairs": measured.equal_pairs,
        "models": measured.models,
        "rounds": measured.rounds,
        "calls": measured.calls,
    }
    return BenchResults(
        run=first.recipe.run,
        task=results and results.task,
        metric=results and results.metric,
        num_examples=results and results.num_examples,
        num_groups=results and results.num_groups,
        seed=first.recipe.seed,
        seeds=[run.recipe.seed for run in runs],
        rows=[row.as_row() for row in measured.rows.values()],
        sweeps={name: [point.as_row(labels) for labels, point in sweep] for name, sweep in sweeps.items()},
        unhelpful_share=measured.unhelpful(),
        claims=papers_claims(measured),
        cells={
            name if run is first else f"seed-{run.recipe.seed}/{name}": BenchCell(
                run=str(cell.folder), reason=cell.reason, wall_s=round(cell.wall_s, 1)
            )
            for run in runs
            for name, cell in run.cell_results.items()
        },
    )
