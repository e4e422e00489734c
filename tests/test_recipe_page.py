"""docs/recipe.md: no key of a recipe is missing, and what it says is what the code does."""

import re

import pytest
import yaml

from cowest.recipe import Recipe
from tests.recipe_page import PAGE, PAPER, Section, page, sections

SECTIONS = sections()


def test_the_page_is_current() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "run `make tree`"


def test_no_key_of_any_section_is_missing() -> None:
    schema = Recipe.model_json_schema(by_alias=True)
    models = [schema, *schema["$defs"].values()]
    listed = [
        {name for keys in re.findall(r"^\| (`.*?`) \|", part, re.M) for name in re.findall(r"`(\w+)`", keys)}
        for part in PAGE.read_text(encoding="utf-8").split("\n## ")
    ]
    everywhere = set().union(*listed)
    for model in models:
        keys = set(model["properties"])
        if model["title"] == "JudgeConfig":  # has all keys of a model, which are not repeated
            keys -= set(schema["$defs"]["ModelConfig"]["properties"]) - {"sampling"}
        assert keys <= everywhere, f"{model['title']}: {keys - everywhere}"
        assert keys in listed, model["title"]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_every_key_says_what_it_does(section: Section) -> None:
    assert section.text
    assert section.keys
    for key in section.keys:
        assert key.text, f"{key.path} has no line under `Attributes` of its class"
        assert "anything" not in key.type, key.path


def test_the_papers_values_are_of_keys_and_are_the_defaults() -> None:
    keys = {key.path: key for section in SECTIONS for key in section.keys}
    assert PAPER.keys() <= keys.keys()
    for path, value in PAPER.items():
        if " " not in value and value != "on":
            assert yaml.safe_load(keys[path].default.strip("`")) == yaml.safe_load(value), path
