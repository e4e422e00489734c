"""The README's tree of the package, made of the modules' first lines; as a script it writes it there."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "cowest"
START, END = "<!-- tree -->", "<!-- end of tree -->"
FLOORS = (
    "cli",
    "pipeline",
    "recipe.py",
    "stages",
    "methods",
    "annotators",
    "report",
    "collaboration.py",
    "judge.py",
    "models",
    "tasks",
    "formats",
    "training",
    "prompts",
)


def first_line(path: Path) -> str:
    """The first line of a module's docstring, without its full stop."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".")


def lines(folder: Path, depth: int = 0) -> list[str]:
    """One line a file of `folder`, floors from the top down, with the phrase that the file opens with."""
    names = {path.name: path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    floors = FLOORS if depth == 0 else ()
    order = sorted(names, key=lambda name: (floors.index(name) if name in floors else len(floors), name))
    found = []
    for name in order:
        path, indent = names[name], "  " * depth
        if path.is_dir():
            found.append(f"{indent + name + '/':<34}{first_line(path / '__init__.py')}".rstrip())
            found += lines(path, depth + 1)
        elif not name.startswith("__"):
            found.append(f"{indent + name:<34}{first_line(path)}".rstrip())
    return found


def tree() -> str:
    """The tree as it stands in the README."""
    return "\n".join([START, "```", "src/cowest/", *(f"  {line}" for line in lines(PACKAGE)), "```", END])


def written(readme: str) -> str:
    """The README with the tree as it is now."""
    before, _, rest = readme.partition(START)
    return before + tree() + (rest.partition(END)[2] if END in rest else rest)


if __name__ == "__main__":
    readme_file = ROOT / "README.md"
    readme_file.write_text(written(readme_file.read_text(encoding="utf-8")), encoding="utf-8")
