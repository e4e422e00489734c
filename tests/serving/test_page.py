"""What docs/serving.md shows is true of the code."""

import re
from pathlib import Path

import yaml

from cowest.service import ServeConfig
from tests.serving.served import recipe_of

PAGE = (Path(__file__).parents[2] / "docs/serving.md").read_text(encoding="utf-8")
STRONG = {"model": "scripted/tests.worlds:strong_reply"}


def test_the_sections_are_valid_and_the_first_holds_the_defaults() -> None:
    sections = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(serve:.*?)```", PAGE, flags=re.DOTALL)]
    assert len(sections) == 2
    for section in sections:
        recipe_of("runs/x", STRONG, **section["serve"])
    assert sections[0]["serve"] == ServeConfig().model_dump()


def test_every_metric_that_is_named_is_there() -> None:
    from cowest.serving.metrics import Metrics

    text = Metrics().text().decode()
    for name in re.findall(r"`(cowest_\w+)", PAGE):
        assert name.removesuffix("_total") in text, name
