"""The recipes that ship: listed, printed and copied, and part of the wheel."""

import tomllib
from pathlib import Path

import pytest

from cowest import shipped_recipes
from cowest.cli import main as cli
from cowest.recipe import load_recipe

ROOT = Path(__file__).parent.parent
NAMES = [path.relative_to(ROOT / "recipes").with_suffix("").as_posix() for path in (ROOT / "recipes").rglob("*.yaml")]


def test_the_list_names_every_recipe_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["recipes"]) == 0
    listed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert {*listed} == {*NAMES}
    assert listed["medmcqa"] == "MedMCQA: entrance-exam questions of medicine with four options"


@pytest.mark.parametrize("name", ["medmcqa", "paper/ifqa.yaml"])
def test_a_copy_is_the_recipe_and_never_overwrites(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "new/mine.yaml"
    assert cli.main(["recipes", name, "--to", str(to)]) == 0
    assert f"cowest doctor {to}" in capsys.readouterr().out
    assert load_recipe(to).task.name == name.removesuffix(".yaml").split("/")[-1]
    assert cli.main(["recipes", name]) == 0
    assert capsys.readouterr().out == to.read_text()
    to.write_text("mine")
    assert cli.main(["recipes", name, "--to", str(to)]) == 2
    assert "already exists" in " ".join(capsys.readouterr().err.split())
    assert to.read_text() == "mine"


def test_an_unknown_name_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ("medmqca", "../pyproject"):
        assert cli.main(["recipes", wrong]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "There is no recipe 'medmqca'. Did you mean 'medmcqa'?" in said


def test_an_installed_package_has_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert settings["wheel"]["force-include"] == {"recipes": "cowest/recipes"}
    assert "recipes" in settings["sdist"]["include"]
    package = tmp_path / "lib/site-packages/cowest"
    (package / "recipes").mkdir(parents=True)
    (package / "recipes/only.yaml").write_text("# The only one. Of all.\nrun: x\n")
    monkeypatch.setattr(shipped_recipes, "_PACKAGE", package)
    assert shipped_recipes.shipped_recipes() == {"only": "The only one"}
