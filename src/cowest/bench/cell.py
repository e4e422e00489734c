"""One cell of a bench: a run with a recipe derived from the given one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cowest.annotators import takes_until_pair
from cowest.recipe import Recipe, make_recipe

Purpose = Literal["method", "strong", "kind", "align", "queries", "equal", "format", "pairs", "models"]


@dataclass(frozen=True)
class Cell:
    """One run of a bench.

    Attributes:
        name: its folder below RUN/bench.
        purpose: which row or sweep it is for.
        value: its value there: a method, a kind, the name of an alignment, "ALIGNMENT QUERIES", "KIND PAIRS" (as many
            as the kind with the fewest gives), a format, a number of pairs, "METHOD STRONG" or "WEAK STRONG".
        trains: whether it gathers feedback and aligns; otherwise it measures the models of the recipe's own run.
    """

    name: str
    purpose: Purpose
    value: str
    recipe: Recipe
    trains: bool


def folder_name(purpose: Purpose, value: str) -> str:
    """The folder of a cell below RUN/bench."""
    return f"{purpose}-{value}".replace(" ", "-").replace(":", "-")


def make_cell(
    recipe: Recipe,
    purpose: Purpose,
    value: str,
    changes: Mapping[str, Any],
    methods: list[str],
    *,
    trains: bool = True,
    rounds: int | None = None,
    replace: tuple[str, ...] = (),
) -> Cell:
    """Makes a cell whose recipe differs in `changes`, which are merged into sections, or replace those in `replace`."""
    name = folder_name(purpose, value)
    data = recipe.model_dump(mode="json", by_alias=True, exclude={"bench"})
    for key, new in changes.items():
        data[key] = data[key] | new if isinstance(new, dict) and key not in replace else new
    data["run"] = str(Path(recipe.run) / "bench" / name)
    data["ledger"] = recipe.ledger or str(Path(recipe.run) / "ledger.sqlite")
    if recipe.feedback.until_pair and not takes_until_pair(data["feedback"]["kind"]):
        data["feedback"]["drafts"] = "all"
    data["rounds"] = rounds or recipe.rounds
    data["evaluate"] = data["evaluate"] | {"methods": methods}
    cell_recipe = make_recipe(data, source=f"the recipe of the bench's cell {name!r}")
    return Cell(name=name, purpose=purpose, value=value, recipe=cell_recipe, trains=trains)
