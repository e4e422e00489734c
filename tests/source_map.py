"""The map of the package from the modules' first lines: its folders in the README, every file in docs/map.md.

As a script it writes both. The order is that of the layers in pyproject.toml, the top one first.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "cowest"
README, MAP = ROOT / "README.md", ROOT / "docs" / "map.md"
START, END = "<!-- tree -->", "<!-- end of tree -->"
HEAD = """# Map of the package

Every file with the phrase that it opens with, in the order of the layers: each imports only layers below it.
`make tree` writes this page.
"""


def first_line(path: Path) -> str:
    """The first line of a module's docstring, without its full stop."""
    file = path / "__init__.py" if path.is_dir() else path
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".")


def layers() -> list[list[str]]:
    """Names of modules and packages by layer."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return [sorted(line.split(" | ")) for line in settings["contracts"][0]["layers"]]


def path_of(name: str) -> Path:
    """The folder or the file of a module of the package."""
    return PACKAGE / name if (PACKAGE / name).is_dir() else PACKAGE / f"{name}.py"


def shown(path: Path, depth: int) -> str:
    """One line of a tree."""
    name = "  " * depth + path.name + "/" * path.is_dir()
    return f"{name:<34} {first_line(path)}".rstrip()


def tree(folder: Path, depth: int) -> Iterator[str]:
    """A line for each file of `folder`, with the files of the folders in it."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and (path / "__init__.py").is_file():
            yield shown(path, depth)
            yield from tree(path, depth + 1)
        elif path.suffix == ".py" and not path.name.startswith("__"):
            yield shown(path, depth)


def folders() -> str:
    """The README's part: the folders, each with its phrase."""
    names = [*(name for layer in layers() for name in layer), "lab"]
    paths = [path for path in map(path_of, names) if path.is_dir()]
    lines = [f"  {path.name + '/':<16} {first_line(path)}" for path in paths]
    return "\n".join([START, "```", "src/cowest/", *lines, "```", END])


def readme() -> str:
    """The README with the folders as they are now."""
    before, _, rest = README.read_text(encoding="utf-8").partition(START)
    return before + folders() + rest.partition(END)[2]


def whole_map() -> str:
    """docs/map.md as it should be."""
    parts = [HEAD]
    for layer in [*layers(), ["lab"]]:
        lines = []
        for path in map(path_of, layer):
            lines += [shown(path, 0), *(tree(path, 1) if path.is_dir() else ())]
        parts.append("```\n" + "\n".join(lines) + "\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    README.write_text(readme(), encoding="utf-8")
    MAP.write_text(whole_map(), encoding="utf-8")
