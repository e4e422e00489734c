"""The seeds of a bench: each repeats what trains, in a run of its own, and shares the replies of the strong models."""

from pathlib import Path
from typing import Any

from cowest.bench.cell import Cell
from cowest.bench.cells import UNTRAINED, make_cells, method_names
from cowest.judge import PanelConfig
from cowest.recipe import Recipe, make_recipe


def recipes_of_seeds(recipe: Recipe, pairs: tuple[int, ...] | None = None) -> list[Recipe]:
    """The recipe for each further seed, in folders of their own below the bench's.

    The seed decides training, the rows it draws and what the weak model samples. Strong models, judge and labeller
    in this process keep the first seed: what they say to a prompt is not retrained, and their replies are shared.

    Args:
        pairs: the sweep over numbers of pairs, which all seeds have in common; None where it is not known yet.
    """
    return [_with_seed(recipe, recipe.seed + number, pairs) for number in range(1, recipe.bench.seeds)]


def cells_of_seed(recipe: Recipe) -> list[Cell]:
    """The cells of a further seed: those that train, and the methods that use a trained model."""
    return [cell for cell in make_cells(recipe) if cell.trains or cell.value not in UNTRAINED]


def _with_seed(recipe: Recipe, seed: int, pairs: tuple[int, ...] | None) -> Recipe:
    data = recipe.model_dump(mode="json", by_alias=True)
    data |= {
        "seed": seed,
        "run": str(Path(recipe.run) / "bench" / f"seed-{seed}"),
        "ledger": recipe.ledger or str(Path(recipe.run) / "ledger.sqlite"),
    }
    bench = data["bench"]
    bench |= {"methods": list(method_names(recipe)), "strong_rows": {}, "seeds": 1}
    if pairs is not None:
        bench["pairs"] = list(pairs)
    judges = data["judge"]["panel"] if isinstance(recipe.judge, PanelConfig) else [data["judge"]]
    for section in (data["strong"], *judges, data["feedback"]["labeller"], *bench["strong"].values()):
        _keep_seed(section, recipe.seed)
    return make_recipe(data, source=f"the recipe of the bench's seed {seed}")


def _keep_seed(section: Any, seed: int) -> None:
    """Gives a model in this process a seed of its own, unless it has one."""
    if not isinstance(section, dict) or not str(section.get("model", "")).startswith("local/"):
        return
    if section["options"].get("seed") is None:
        section["options"]["seed"] = seed
