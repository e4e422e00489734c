"""What docs/serving.md and docs/gate.md show is true of the code."""

import re
from pathlib import Path

import yaml

from cowest.serving_config import ServeConfig
from tests.serving.served import recipe_of

PAGE = (Path(__file__).parents[2] / "docs/serving.md").read_text(encoding="utf-8")
GATE = (Path(__file__).parents[2] / "docs/gate.md").read_text(encoding="utf-8")
STRONG = {"model": "scripted/tests.worlds:strong_reply"}


def test_the_sections_are_valid_and_the_first_holds_the_defaults() -> None:
    sections = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(serve:.*?)```", PAGE, flags=re.DOTALL)]
    assert len(sections) == 2
    for section in sections:
        recipe_of("runs/x", STRONG, **section["serve"])
    assert sections[0]["serve"].keys() == ServeConfig.model_fields.keys()
    assert ServeConfig.model_validate(sections[0]["serve"]) == ServeConfig()


def test_the_targets_on_the_page_of_the_gate_are_valid() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", GATE, flags=re.DOTALL)
    gates = [yaml.safe_load(line)["serve"]["gate"] for line in block.splitlines()]
    kinds = [recipe_of("runs/x", STRONG, gate=gate).serve.gate for gate in gates]
    assert [gate.kind for gate in kinds] == ["always", "calibrated", "calibrated", "calibrated"]
    assert (kinds[2].min_accuracy, kinds[3].max_cost_usd) == (0.9, 0.0003)


def test_every_metric_that_is_named_is_there() -> None:
    from cowest.serving.metrics import Metrics

    text = Metrics().text().decode()
    for name in re.findall(r"`(cowest_\w+)", PAGE):
        assert name.removesuffix("_total") in text, name
