"""`python tests/built_files.py dist`: what a built wheel and sdist must hold, and what a release must name."""

import re
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
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
    found += [f"{wheel.name} holds {name}" for name in sorted(strays) if not name.endswith(".dist-info")]
    return found + other_names(wheel.name.split("-")[1])


def other_names(version: str) -> list[str]:
    """The files that name another version, where this one is a release."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        return []
    named = {"CITATION.cff": cited(), "CHANGELOG.md": newest_in_changelog()}
    return [f"{file} names {other!r}, but the tag is of {version}" for file, other in named.items() if other != version]


def cited() -> str:
    """The version in CITATION.cff; "none" where it has none."""
    return _first(r"^version: (\S+)$", "CITATION.cff")


def newest_in_changelog() -> str:
    """The heading of the first entry: a version, and ", not released yet" before its release."""
    return _first(r"^## (.+)$", "CHANGELOG.md")


def _first(pattern: str, name: str) -> str:
    found = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "none"


if __name__ == "__main__":
    if found := problems(Path(sys.argv[1])):
        sys.exit("\n".join(found))
