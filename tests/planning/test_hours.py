"""What a plan says of time and GPU hours: only what follows from the recipe and from trainings that have ended."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cowest.cli.main import main
from cowest.errors import InputError
from cowest.pipeline import Pipeline
from cowest.planning import make_plan
from cowest.planning.plan import Plan
from cowest.recipe import make_recipe
from cowest.records import TrainingRecord
from tests.engines.engines import model_folder, scripted
from tests.recipes import priced, recipe_of


def recipe(tmp_path: Path, *, speed: float | None, trained: bool = False, **strong: Any) -> dict[str, Any]:
    base = tmp_path / "base" if (tmp_path / "base").is_dir() else model_folder(tmp_path / "base")
    engine = scripted(gpus=("0", ("1", "2"))).model_dump(mode="json")
    weak = {"model": f"local/{base}", "engine": "vllm", "vllm": engine}
    weak |= {} if speed is None else {"tokens_per_second": speed}
    sft = {} if trained else {"sft": {"from": str(base)}}
    return recipe_of(tmp_path / "run", weak=weak, strong=priced(**strong), judge="strong", rounds=2, **sft)


def planned(data: dict[str, Any]) -> Plan:
    return make_plan(Pipeline(make_recipe(data)))


def test_a_stage_takes_as_long_as_the_slowest_and_holds_all_its_gpus(tmp_path: Path) -> None:
    plan = planned(recipe(tmp_path, speed=50.0, requests_per_minute=1e6))
    time, spends = plan.high.times["feedback, round 1"], plan.high.stages["feedback, round 1"]
    drafting_s = spends["weak"].usage.completion_tokens / (2 * 50.0)
    assert time.wall_s == pytest.approx(drafting_s)
    assert time.gpu_hours == pytest.approx(3 * drafting_s / 3600)
    assert time.bottleneck == "2 servers on GPU 0; 1, 2 (weak)"

    plan = planned(recipe(tmp_path, speed=50.0, requests_per_minute=1.0))
    time = plan.high.times["feedback, round 1"]
    assert time.wall_s == pytest.approx(60 * (spends["strong"].calls + spends["judge"].calls))
    assert time.gpu_hours == pytest.approx(3 * time.wall_s / 3600)
    assert time.bottleneck == "the endpoint of judge, strong"


def test_nothing_is_assumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(recipe(tmp_path, speed=None))
    assert plan.high.times["feedback, round 1"].gpu_hours is None
    assert plan.high.times["feedback, round 1"].wall_s is None
    assert plan.without_speed == ["weak"]
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe(tmp_path, speed=None)))
    assert main(["plan", str(file)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "| feedback, round 1 | unknown | unknown |" in said
    assert "tokens_per_second: .." in said
    # One that has neither engines nor a GPU says nothing of hours.
    assert planned(recipe_of(tmp_path / "other")).high.times == {}


def test_a_training_is_measured_by_one_that_has_ended(tmp_path: Path) -> None:
    data = recipe(tmp_path, speed=50.0, trained=True)
    with Pipeline(make_recipe(data)) as pipeline:
        sft = pipeline.folder.sft / "training.json"
    assert planned(data).high.times["sft"].wall_s is None
    sft.parent.mkdir(parents=True)
    TrainingRecord(adapter="adapter", base="b", num_rows=10, wall_s=60.0, device="cuda:0", num_processes=4).write(sft)
    plan = planned(data)
    assert plan.high.times["sft"].wall_s == pytest.approx(60.0 * plan.num_train / 10)
    assert plan.high.times["sft"].gpu_hours == pytest.approx(4 * 60.0 * plan.num_train / 10 / 3600)
    assert list(plan.high.times)[:3] == ["sft", "feedback, round 1", "align, round 1"]
    assert plan.high.times["align, round 1"].wall_s is None


def test_an_endpoint_has_limits_and_no_speed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="requests_per_minute"):
        make_recipe(recipe_of(tmp_path, strong=priced(tokens_per_second=10)))
