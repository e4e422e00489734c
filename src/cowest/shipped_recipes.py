"""The recipes that ship: in the wheel as `cowest/recipes`, in a checkout the folder `recipes` beside `src`."""

from pathlib import Path

from cowest.errors import InputError
from cowest.plugins import nearest

_PACKAGE = Path(__file__).parent


def folder() -> Path:
    """The folder of the recipes.

    Raises:
        InputError: this installation has none.
    """
    for found in (_PACKAGE / "recipes", _PACKAGE.parents[1] / "recipes"):
        if found.is_dir():
            return found
    raise InputError("This installation has no recipes. Install cowest again from its wheel or its repository.")


def shipped_recipes() -> dict[str, str]:
    """By name, such as "paper/ifqa", the first sentence of each recipe's comment."""
    files = sorted(folder().rglob("*.yaml"), key=lambda path: (len(path.parts), path))
    return {path.relative_to(folder()).with_suffix("").as_posix(): _about(path) for path in files}


def text_of(name: str) -> str:
    """The text of a recipe.

    Raises:
        InputError: there is none of this name.
    """
    known, wanted = list(shipped_recipes()), name.removesuffix(".yaml")
    if wanted not in known:
        hint = nearest(wanted, known)
        raise InputError(f"There is no recipe {name!r}.{hint} Recipes: {', '.join(known)}.")
    return (folder() / f"{wanted}.yaml").read_text(encoding="utf-8")


def _about(path: Path) -> str:
    comment = [line[2:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
    return " ".join(comment).partition(". ")[0].removesuffix(".")
