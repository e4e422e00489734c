"""Calibrating the gate: what is called, what is learned from, what is written, and what is refused."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cowest import runs
from cowest.cli.main import main
from cowest.collaboration import Collaboration
from cowest.errors import CompletionError, EndpointError, InputError
from cowest.gating.calibration import calibrate
from cowest.gating.config import GateConfig
from cowest.gating.table import gate_page
from cowest.models import ModelConfig
from cowest.models.providers.scripted import Reply, ScriptedModel
from cowest.pipeline import Pipeline
from cowest.recipe import make_recipe
from cowest.records import GateResults, Policy
from cowest.records.gate import RowsUsed
from cowest.types import ChatRequest
from tests.gating.gated import Kinds, recipe_of, silent_reply, strong_reply, weak_reply

BOTH_USD, ALONE_USD = (100 * 10 + 10 * 100) / 1e6, (50 * 10 + 10 * 100) / 1e6


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pictures: tests/report/test_gate.py draws one."""
    monkeypatch.setattr("cowest.pipeline.evaluation.draw_gate", lambda result, path: True)


def is_with_draft(request: ChatRequest) -> bool:
    return "a draft." in request.messages[-1].content


class World:
    """A pair that counts what it is asked, and its gate."""

    def __init__(self, tmp_path: Path, weak: Any = weak_reply, strong: Any = strong_reply, **task: Any) -> None:
        self.out = tmp_path / "gate"
        self.weak, self.strong = ScriptedModel(weak), ScriptedModel(strong)
        self.task = Kinds(**{"validation": "validation:16", "test": "test:8"} | task)
        self.said: list[str] = []
        self.models = {
            "weak": ModelConfig(model="scripted/a:b"),
            "strong": ModelConfig.model_validate({"model": "scripted/a:b", "price": {"input": 10, "output": 100}}),
        }

    def calibrate(self, format: str = "chain_of_thought", with_test: bool = True, **gate: Any) -> GateResults:
        return calibrate(
            self.task.validation,
            self.task.test if with_test else (),
            pair=Collaboration(self.weak, self.strong, format=format),
            task=self.task,
            config=GateConfig(kind="calibrated", **gate),
            models=self.models,
            out=self.out,
            say=self.said.append,
        )

    def page(self) -> str:
        """The gate in words."""
        return gate_page(GateResults.read(self.out / "gate.json"))

    def asked(self, model: ScriptedModel, split: str) -> list[str]:
        """What the model was asked of a split, by kind of query and whether a draft was with it."""
        asked = [each.messages[-1].content for each in model.requests if f" {split} " in each.messages[-1].content]
        return sorted(f"{text.partition('[')[2].partition(']')[0]}{' +' * ('a draft.' in text)}" for text in asked)


def test_an_interrupted_gate_leaves_the_files_of_the_one_before(tmp_path: Path) -> None:
    World(tmp_path).calibrate(min_accuracy=1.0)
    before = {path.name: path.read_bytes() for path in (tmp_path / "gate").iterdir()}

    def interrupted(request: ChatRequest) -> Any:
        if " test " in request.messages[-1].content:
            raise KeyboardInterrupt
        return strong_reply(request)

    with pytest.raises(KeyboardInterrupt):
        World(tmp_path, strong=interrupted).calibrate(min_accuracy=0.5)
    assert {path.name: path.read_bytes() for path in (tmp_path / "gate").iterdir()} == before


def test_each_arm_gets_what_it_is_best_at(tmp_path: Path) -> None:
    world = World(tmp_path)
    result = world.calibrate(min_accuracy=1.0)
    assert result.met is True
    assert result.policy.arms == ("strong", "both", "draft")
    low, high = result.policy.cuts
    assert 0.2 < low < 0.5 < high < 0.9
    assert result.validation.gate.accuracy.value == 1.0
    assert result.validation.gate.shares == {"draft": 0.25, "strong": 0.25, "both": 0.5}
    assert result.validation.gate.cost_per_query == pytest.approx(ALONE_USD / 4 + BOTH_USD / 2)
    assert result.validation.cross_validated.accuracy.value == 1.0
    alone = {arm: found.accuracy.value for arm, found in result.validation.alone.items()}
    assert alone == {"draft": 0.25, "strong": 0.25, "both": 0.75}
    test = result.test
    assert test.gate.accuracy.value == 1.0
    assert test.difference_to_both.difference == 0.25
    assert test.gate.cost_per_query < test.alone["both"].cost_per_query == pytest.approx(BOTH_USD)
    assert result == GateResults.read(world.out / "gate.json")


def test_the_number_of_calls(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.calibrate(min_accuracy=1.0)
    assert (len(world.asked(world.weak, "validation")), len(world.asked(world.weak, "test"))) == (16, 8)
    once = Counter({"easy": 4, "easy +": 4, "odd": 4, "odd +": 4, "hard": 8, "hard +": 8})
    assert Counter(world.asked(world.strong, "validation")) == once
    # Of test, both for each, to compare with; the strong model alone only where the policy asks it.
    assert Counter(world.asked(world.strong, "test")) == Counter({"easy +": 2, "odd +": 2, "odd": 2, "hard +": 4})
    assert world.weak.closed
    assert world.strong.closed


def test_nothing_is_learned_from_test(tmp_path: Path) -> None:
    lucky, unlucky = World(tmp_path / "a"), World(tmp_path / "b", unlucky=("test",))
    one, other = lucky.calibrate(min_accuracy=1.0), unlucky.calibrate(min_accuracy=1.0)
    assert (one.policy, one.validation) == (other.policy, other.validation)
    assert other.test.gate.accuracy.value == 0.0
    assert "The aim is **missed** on test" in unlucky.page()
    drawn = World(tmp_path / "c").calibrate(min_accuracy=1.0, with_test=False)
    assert (drawn.policy, drawn.test) == (one.policy, None)
    assert "no test split" in gate_page(drawn)


def test_without_a_target_it_is_never_less_accurate_than_both(tmp_path: Path) -> None:
    result = World(tmp_path).calibrate()
    assert result.min_accuracy == 0.75
    # The strong model alone costs less on the odd ones than both, and happens to be right.
    assert result.policy.arms == ("strong", "both", "draft")
    hard = World(tmp_path, strong=lambda request: strong_reply(request) if is_with_draft(request) else "Answer: wrong")
    result = hard.calibrate()
    assert result.validation.gate.accuracy.value == 0.75


def test_a_price_buys_what_it_can(tmp_path: Path) -> None:
    for limit, accuracy in ((0.0014, 1.0), (0.0013, 0.5), (0.0003, 0.25)):
        result = World(tmp_path).calibrate(max_cost_usd=limit, with_test=False)
        assert result.met is True
        assert result.validation.gate.cost_per_query <= limit
        assert result.validation.gate.accuracy.value == accuracy
    nothing = World(tmp_path).calibrate(max_cost_usd=0)
    assert nothing.policy == Policy(arms=("draft",))


def test_one_example_is_refused_before_anything_is_called(tmp_path: Path) -> None:
    world = World(tmp_path, validation="validation:1")
    with pytest.raises(InputError, match=r"two validation examples.* 1\. .*Nothing was called"):
        world.calibrate()
    assert not world.weak.requests
    assert not world.strong.requests


def test_a_target_that_cannot_be_met_is_said_so(tmp_path: Path) -> None:
    world = World(tmp_path, unlucky=("validation",))
    result = world.calibrate(min_accuracy=0.5)
    assert (result.met, result.policy) == (False, Policy())
    assert re.search(r"no policy .*50\.0%.*best: 0\.0%", world.said[0])
    assert "**not met**" in world.page()
    dear = World(tmp_path)
    dear.models["weak"] = ModelConfig.model_validate({"model": "scripted/a:b", "price": {"input": 0, "output": 50}})
    dear.weak = ScriptedModel(
        lambda request: weak_reply(request).model_copy(update={"usage": strong_reply(request).usage})
    )
    result = dear.calibrate(max_cost_usd=0.0001)
    assert (result.met, result.policy) == (False, Policy(arms=("draft",)))
    assert re.search(r"no policy .*\$0\.0001", dear.said[-1])


def test_without_prices_tokens_are_saved_and_money_cannot_be_aimed_at(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.models["strong"] = ModelConfig(model="scripted/a:b")
    result = world.calibrate(min_accuracy=1.0)
    assert result.cost_unit == "strong_tokens"
    assert result.validation.gate.cost_per_query == 60 / 4 + 110 / 2
    assert "counted in tokens of the strong model" in world.page()
    with pytest.raises(InputError, match=r"have no price. Write strong.price"):
        world.calibrate(max_cost_usd=0.1)
    world.models = {role: ModelConfig(model="local/somewhere") for role in ("weak", "strong")}
    with pytest.raises(InputError, match=r"have no price.*Nothing was called"):
        world.calibrate(max_cost_usd=0.1)


def test_a_cost_that_is_not_known_on_test_is_no_nothing(tmp_path: Path) -> None:
    def strong(request: ChatRequest) -> Reply:
        is_test = " test " in request.messages[-1].content
        return strong_reply(request).model_copy(update={"cost_usd": None if is_test else 0.01})

    world = World(tmp_path, lambda request: weak_reply(request).model_copy(update={"cost_usd": 0.0}), strong)
    world.models["strong"] = ModelConfig(model="scripted/a:b")
    result = world.calibrate(min_accuracy=1.0)
    assert result.cost_unit == "usd"
    assert result.validation.gate.cost_per_query == pytest.approx(0.0075)
    test = result.test
    assert (test.gate.cost_per_query, test.alone["both"].cost_per_query) == (None, None)
    assert test.alone["draft"].cost_per_query == 0.0
    page = world.page()
    assert "| test | gate | 100.0% [67.6, 100.0] | unknown |" in page
    assert "calls of test have no price" in page
    assert "The aim is kept on test." in page
    limited = world.calibrate(max_cost_usd=0.0075)
    assert limited.met is True
    assert "The aim is" not in world.page()


def test_a_draft_without_an_answer_never_stands_alone(tmp_path: Path) -> None:
    result = World(tmp_path).calibrate(format="domain_knowledge", max_cost_usd=1)
    assert result.arms == ["strong", "both"]
    assert "draft" not in result.policy.arms


def test_failures_are_left_out_and_counted(tmp_path: Path) -> None:
    def fails(request: ChatRequest) -> Reply:
        return CompletionError("no") if " validation 3?" in request.messages[-1].content else strong_reply(request)

    def cut(request: ChatRequest) -> Reply:
        half = {"finish_reason": "length"} if " validation 0?" in request.messages[-1].content else {}
        return weak_reply(request).model_copy(update=half)

    world = World(tmp_path, cut, fails)
    found = world.calibrate().validation
    assert (found.num_examples, found.num_failed, found.num_without_confidence) == (16, 1, 1)
    rows = list(runs.read_jsonl(world.out / "validation.jsonl"))
    assert [row["id"] for row in rows if row["error"]] == ["validation-3"]
    assert (rows[0]["confidence"], rows[0]["arm"]) == (None, "both")
    assert "1 example of validation failed" in world.page()
    with pytest.raises(EndpointError, match="validation split failed"):
        World(tmp_path, strong=lambda request: CompletionError("no")).calibrate()


def test_a_weak_model_that_does_not_say_how_sure_it_is_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path, silent_reply)
    with pytest.raises(InputError, match=r"no log-probabilities.*validation"):
        world.calibrate()
    assert not world.strong.requests
    world.models["weak"] = ModelConfig(model="openai/small", base_url="http://localhost:1/v1")
    world.weak.requests.clear()
    with pytest.raises(InputError, match=r"weak.options: \{logprobs: true\}"):
        world.calibrate()
    assert not world.weak.requests


def test_it_learns_from_as_many_examples_as_it_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.calibrate(limit=4, with_test=False).validation.num_examples == 4
    assert (len(world.weak.requests), len(world.strong.requests)) == (4, 8)


def test_calls_are_paid_once(tmp_path: Path) -> None:
    def gate(**changes: Any) -> tuple[dict[str, Any], dict[str, int]]:
        with Pipeline(make_recipe(recipe_of(str(tmp_path / "run"), **changes))) as pipeline:
            return pipeline.gate(), pipeline.context.paid_calls()

    first, paid = gate(serve={"gate": {"kind": "calibrated", "min_accuracy": 0.25}})
    assert paid == {"weak": 24, "strong": 32 + 8}
    again, then = gate(serve={"gate": {"kind": "calibrated", "min_accuracy": 1.0}})
    assert then == paid | {"strong": paid["strong"] + 2}  # the odd ones of test, which the new policy asks
    assert again.policy != first.policy


def test_the_gate_keeps_which_rows_it_was_made_of_and_other_rows_are_said(tmp_path: Path) -> None:
    def again(**changes: Any) -> tuple[dict[str, RowsUsed], list[str]]:
        world = World(tmp_path, **changes.pop("task", {}))
        made_of = world.calibrate(**changes).made_of
        return made_of, [line for line in world.said if "previous gate" in line]

    first, said = again()
    assert {name: rows.num_examples for name, rows in first.items()} == {"validation": 16, "test": 8}
    assert said == []
    assert again() == (first, [])
    # As many rows with other references, and only the one split.
    other, said = again(task={"unlucky": ("validation",)})
    assert other["validation"].num_examples == 16
    assert other["validation"].sha256 != first["validation"].sha256
    assert other["test"] == first["test"]
    assert len(said) == 1
    assert "the validation rows are not those" in said[0]
    fewer, said = again(limit=4)
    assert fewer["validation"].num_examples == 4
    assert len(said) == 1
    for broken in ("{", "[]", "{}", '{"made_of": {}}'):
        (tmp_path / "gate/gate.json").write_text(broken)
        assert again() == (first, [])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(make_recipe(recipe_of(str(tmp_path / "run"))).to_yaml())
    target = "serve.gate={kind: calibrated, min_accuracy: 1.0}"
    assert main(["gate", str(recipe), target]) == 0
    said = capsys.readouterr()
    assert "| test: gate | 100.0% [" in " ".join(said.out.split())
    assert "strong below" in said.err
    assert main(["gate", str(recipe), target, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "run/gate/gate.json").read_text())
    files = {path.name for path in (tmp_path / "run/gate").iterdir()}
    assert {"gate.json", "gate.md", "validation.jsonl", "test.jsonl"} <= files
    assert "strong below" in (tmp_path / "run/report.html").read_text()
    assert main(["show", str(tmp_path / "run")]) == 0
    assert "Gate: strong below" in capsys.readouterr().out
    assert main(["gate", str(recipe), "serve.gate=always"]) == 2
    assert "nothing to learn" in " ".join(capsys.readouterr().err.split())
    assert main(["gate", str(recipe), "task.validation=null"]) == 2
    assert "task.validation" in capsys.readouterr().err
