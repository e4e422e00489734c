"""`python tests/built_files.py dist`: what a built wheel and sdist must hold, and what must not be in the wheel."""

import sys
import tarfile
import zipfile
from pathlib import Path

IN_WHEEL = (
    "cowest/py.typed",
    "cowest/cli/main.py",
    "cowest/lab/recipe.yaml",
    "cowest/lab/assets/weak/model.safetensors",
    "cowest/prompts/refine.txt",
    "cowest/recipes/lab.yaml",
    "cowest/recipes/paper/ifqa.yaml",
)
IN_SDIST = (
    "CHANGELOG.md",
    "docs/index.md",
    "examples/own_data.py",
    "examples/quickstart.ipynb",
    "recipes/lab.yaml",
    "src/cowest/py.typed",
    "tests/worlds.py",
)


def problems(folder: Path) -> list[str]:
    """What is missing, or should not be there."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.namelist()
    with tarfile.open(sdist) as archive:
        shipped = [name.partition("/")[2] for name in archive.getnames()]
    found = [f"{wheel.name} lacks {name}" for name in IN_WHEEL if name not in packed]
    found += [f"{sdist.name} lacks {name}" for name in IN_SDIST if name not in shipped]
    strays = {name.partition("/")[0] for name in packed} - {"cowest"}
    return found + [f"{wheel.name} holds {name}" for name in sorted(strays) if not name.endswith(".dist-info")]


if __name__ == "__main__":
    if found := problems(Path(sys.argv[1])):
        sys.exit("\n".join(found))
