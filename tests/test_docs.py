"""The documents say what is: the README's tree and recipe, and the code of docs/extend.md."""

import json
import re
from pathlib import Path

import yaml

from cowest.methods import MethodOptions
from cowest.recipe import make_recipe
from tests.readme_tree import ROOT, written

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_readme_shows_every_file() -> None:
    assert written(README) == README, "run `make tree`"


def test_the_readmes_recipe_is_valid() -> None:
    (recipe,) = blocks(README, "yaml")
    assert make_recipe(yaml.safe_load(recipe)).task.name == "jsonl"


def test_the_page_on_methods_shows_the_defaults() -> None:
    (shown,) = blocks((ROOT / "docs/methods.md").read_text(encoding="utf-8"), "yaml")
    settings = yaml.safe_load(shown)["evaluate"]["settings"]
    assert settings == MethodOptions().model_dump()


def test_links_in_the_documents_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "AGENTS.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_files_named_in_the_paper_page_exist() -> None:
    text = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:stages|training|prompts|annotators|formats|methods)/[\w.]*)`", text):
        assert (ROOT / "src/cowest" / name).exists(), name


def test_the_task_of_the_extension_page_works(tmp_path: Path) -> None:
    code = next(block for block in blocks((ROOT / "docs/extend.md").read_text(), "python") if "class Capitals" in block)
    assert len(code.splitlines()) < 40
    namespace: dict[str, type] = {}
    exec(code, namespace)
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps({"country": "France", "capital": "Paris"}) + "\n")
    task = namespace["Capitals"](train=str(data))
    found = task.validate(task.train)
    assert (found.num_examples, found.num_gold_full) == (1, 1)


def test_agents_page_is_short() -> None:
    assert len((ROOT / "AGENTS.md").read_text().splitlines()) <= 80
