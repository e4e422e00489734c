"""From the runs of a bench to bench.json: rows, sweeps, and the paper's claims with their verdicts."""

from collections.abc import Mapping, Sequence
from typing import Any

from cowest.bench.cells import Cell
from cowest.bench.claims import papers_claims
from cowest.bench.points import Points, Probe, Ran
from cowest.recipe import Recipe


def summarise(
    recipe: Recipe, cells: Sequence[Cell], outcomes: Mapping[str, Ran], probe: Probe | None, num_pairs: int
) -> dict[str, Any]:
    """What bench.json holds.

    Args:
        num_pairs: preference pairs of the run's first round.
    """
    points = Points(recipe, cells, outcomes, probe, num_pairs)
    results = next((ran.results for ran in outcomes.values() if ran.results), {})
    rows = points.rows()
    sweeps = {
        "formats": points.formats(),
        "pairs": points.pairs(),
        "models": points.models(),
        "rounds": points.rounds(),
    }
    return {
        "run": recipe.run,
        "task": results.get("task"),
        "metric": results.get("metric"),
        "num_examples": results.get("num_examples"),
        "seed": recipe.seed,
        "rows": [row.as_dict() for row in rows.values()],
        "sweeps": {name: [labels | point.as_dict() for labels, point in some] for name, some in sweeps.items()},
        "unhelpful_share": points.shares(),
        "claims": [claim.model_dump(mode="json") for claim in papers_claims(points, rows)],
        "cells": {
            name: {"run": str(ran.folder), "reason": ran.reason, "wall_s": round(ran.wall_s, 1)}
            for name, ran in outcomes.items()
        },
    }
