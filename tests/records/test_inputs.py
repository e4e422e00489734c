"""inputs.json: the recipe's keys by dotted path, and how two of them differ."""

from pathlib import Path
from typing import Any

import pytest

from cowest import runs
from cowest.records import StageInputs
from cowest.records.inputs import differences

KEYS: dict[str, Any] = {
    "seed": 0,
    "weak.model": "local/x",
    "weak.sampling": {"temperature": 1.0, "stop": ["#"]},
    "prompts": None,
}


def inputs(**more: Any) -> StageInputs:
    return StageInputs.model_validate(KEYS | {"examples": "ab" * 32, "prompt_files": {"refine": "b7cc"}} | more)


def test_the_recipes_keys_stand_by_their_dotted_path(tmp_path: Path) -> None:
    inputs(corpus="cd" * 32).write(tmp_path / "inputs.json")
    written = runs.read_json(tmp_path / "inputs.json")
    fields = {"version": 1, "examples": "ab" * 32, "prompt files": {"refine": "b7cc"}, "corpus": "cd" * 32}
    assert written == KEYS | fields  # keys of the recipe are kept where they are None, such as `prompts`
    assert StageInputs.read(tmp_path / "inputs.json") == inputs(corpus="cd" * 32)


def test_nothing_but_templates_is_written_of_no_inputs() -> None:
    assert StageInputs().to_json() == {"version": 1, "prompt files": {}}


def test_the_same_inputs_do_not_differ(tmp_path: Path) -> None:
    inputs().write(tmp_path / "inputs.json")
    assert inputs().difference_from(StageInputs.read(tmp_path / "inputs.json")) == []


def test_each_difference_is_a_phrase() -> None:
    now = inputs(seed=1, **{"weak.sampling": {"temperature": 0.5, "stop": ["#"]}})
    assert inputs().difference_from(now) == ["seed: 0, now 1", "weak.sampling.temperature: 1.0, now 0.5"]


@pytest.mark.parametrize("field", ["examples", "pairs"])
def test_of_a_digest_only_the_name_is_said(field: str) -> None:
    assert inputs().difference_from(inputs(**{field: "ef" * 32})) == [f"other {field}"]


def test_a_key_that_is_new_or_gone_is_a_difference_unless_it_is_none() -> None:
    assert inputs().difference_from(inputs(rounds=2)) == ["rounds: None, now 2"]
    assert inputs(rounds=2).difference_from(inputs()) == ["rounds: 2, now None"]
    assert inputs().difference_from(inputs(rounds=None)) == []


def test_templates_and_the_version_are_not_compared_here() -> None:
    assert inputs().difference_from(inputs(prompt_files={"refine": "another"}, version=2)) == []


def test_only_what_another_stage_asks_about_is_kept() -> None:
    asked = StageInputs.model_validate({"seed": 1, "prompt_files": {"sft": "1"}})
    kept = inputs(corpus="cd").only(asked)
    assert kept.to_json() == {"version": 1, "prompt files": {"refine": "b7cc"}, "seed": 0}
    assert kept.difference_from(asked) == ["seed: 0, now 1"]
    assert inputs().only(inputs()) == inputs()


def test_differences_go_into_objects_and_name_the_path() -> None:
    before, now = {"a": {"b": 1, "c": [1]}, "d": 1}, {"a": {"b": 1, "c": [2]}, "d": {"e": 1}}
    assert differences(before, now) == ["a.c: [1], now [2]", "d: 1, now {'e': 1}"]
    assert differences(before, before) == []
