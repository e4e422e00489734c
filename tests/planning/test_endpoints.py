"""What a plan says of servers that the run starts, without running anything."""

from pathlib import Path
from typing import Any

import pytest

from cowest.cli.main import main
from cowest.pipeline import Pipeline
from cowest.planning import make_plan
from cowest.recipe import make_recipe
from tests.engines.engines import model_folder, scripted
from tests.recipes import recipe_of


def served(tmp_path: Path, **settings: Any) -> dict[str, Any]:
    base = tmp_path / "base" if (tmp_path / "base").is_dir() else model_folder(tmp_path / "base")
    engine = scripted(gpus=("0", "1"), **settings).model_dump(mode="json")
    weak = {"model": f"local/{base}", "engine": "vllm", "vllm": engine}
    return recipe_of(tmp_path / "run", weak=weak, strong=weak, judge="strong", sft={"from": str(base)})


def test_a_plan_names_the_servers_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    plan = make_plan(Pipeline(make_recipe(served(tmp_path))))
    assert set(plan.servers) == {"weak", "strong"}
    assert plan.servers["weak"].startswith("2 servers of ")
    assert plan.servers["weak"].endswith("on GPU 0; 1")
    assert not plan.endpoint_problems
    assert plan.high.cost_usd == 0.0


def test_a_plan_says_that_an_engine_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import yaml

    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(served(tmp_path, command=("/no/vllm", "serve"))))
    assert main(["plan", str(file)]) == 0
    said = capsys.readouterr().out
    assert "starts 2 servers of /no/vllm on GPU 0; 1 for weak" in " ".join(said.split())
    assert "Before the run: weak: The engine's command '/no/vllm' was not found" in " ".join(said.split())
