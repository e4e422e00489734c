"""Runs whose weak model is on servers that they start: the same files whatever dies, and nothing left running."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from cowest.errors import EndpointError
from cowest.pipeline import Pipeline
from cowest.recipe import make_recipe
from cowest.types import ChatRequest
from tests import worlds
from tests.engines.engines import adapter_folder, lives, model_folder, scripted, seen
from tests.recipes import recipe_of

FILES = ("pairs.jsonl", "graded.jsonl", "failures.jsonl")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_folder(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, base: Path) -> dict[str, bytes]:
    """The files of a run in which nothing dies."""
    return gathered(recipe(tmp_path_factory.mktemp("whole") / "run", base))


@pytest.fixture
def paid(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the strong model was asked each thing."""
    calls: Counter[str] = Counter()
    reply = worlds.strong_reply

    def counted(request: ChatRequest) -> str:
        calls[request.model_dump_json()] += 1
        return reply(request)

    monkeypatch.setattr(worlds, "strong_reply", counted)
    return calls


def recipe(folder: Path, base: Path, *behaviour: str, **changes: Any) -> dict[str, Any]:
    engine = scripted(folder.parent / f"{folder.name}-events.jsonl", *behaviour).model_dump(mode="json")
    weak = {"model": f"local/{base}", "engine": "vllm", "vllm": engine}
    return recipe_of(folder, weak=weak, sft={"from": str(base)}, feedback={"queries": 6, "samples": 3}, **changes)


def gathered(data: dict[str, Any]) -> dict[str, bytes]:
    with Pipeline(make_recipe(data)) as pipeline:
        pipeline.sft()
        pipeline.feedback(1)
        return {name: (pipeline.folder.feedback(1) / name).read_bytes() for name in FILES}


def test_a_server_that_dies_in_the_middle_changes_nothing_and_no_paid_call_is_repeated(
    tmp_path: Path, base: Path, whole: dict[str, bytes], paid: Counter[str]
) -> None:
    assert json.loads(whole["pairs.jsonl"].splitlines()[0])["chosen"][0]["content"].startswith("Explanation")
    assert gathered(recipe(tmp_path / "dying", base, "--scripted-dies", "1")) == whole
    assert set(paid.values()) == {1}
    assert len(seen(tmp_path / "dying-events.jsonl", "started")) == 2
    log = (tmp_path / "dying" / "engines" / "weak-gpu-0.log").read_text()
    assert "illegal memory access" in log
    assert not any(lives(each["pid"]) for each in seen(tmp_path / "dying-events.jsonl", "started"))


def test_a_stage_whose_server_dies_twice_fails_and_goes_on_later(
    tmp_path: Path, base: Path, whole: dict[str, bytes], paid: Counter[str]
) -> None:
    with pytest.raises(EndpointError, match="the same command goes on"):
        gathered(recipe(tmp_path / "twice", base, "--scripted-dies", "2"))
    assert gathered(recipe(tmp_path / "twice", base, "--scripted-dies", "2")) == whole
    assert set(paid.values()) == {1}


def test_an_evaluation_serves_all_adapters_at_once(tmp_path: Path, base: Path) -> None:
    data = recipe(tmp_path / "run", base, evaluate={"methods": ["weak_only"], "limit": 3})
    data["sft"]["from"] = str(adapter_folder(tmp_path / "sft", base))
    with Pipeline(make_recipe(data)) as pipeline:
        pipeline.sft()
        pipeline.evaluate()
    (started,) = seen(tmp_path / "run-events.jsonl", "started")
    assert "--enable-lora" in started["argv"]
    names = {call["model"].partition("-")[0] for call in seen(tmp_path / "run-events.jsonl", "called")}
    assert names == {"cowest", "adapter"}  # before SFT, and after it
    assert not lives(started["pid"])


def test_servers_end_before_training(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[bool] = []

    def trained(*arguments: Any, **settings: Any) -> None:
        running.extend(lives(each["pid"]) for each in seen(tmp_path / "run-events.jsonl", "started"))

    monkeypatch.setattr("cowest.pipeline.training.align", trained)
    with Pipeline(make_recipe(recipe(tmp_path / "run", base))) as pipeline:
        pipeline.sft()
        pipeline.feedback(1)
        pipeline.align(1)
    assert running == [False]


def test_ctrl_c_while_a_server_starts_leaves_none(tmp_path: Path, base: Path) -> None:
    data = recipe(tmp_path / "run", base, "--scripted-never-healthy")
    with Pipeline(make_recipe(data)) as pipeline:
        pipeline.sft()
    file, events = tmp_path / "recipe.yaml", tmp_path / "run-events.jsonl"
    file.write_text(yaml.safe_dump(data))
    # A background shell has SIGINT ignored, which a child inherits.
    code = (
        "import signal, sys; signal.signal(2, signal.default_int_handler); from cowest.cli.main import start; start()"
    )
    command = [sys.executable, "-c", code, "feedback", str(file)]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not seen(events, "started") and run.poll() is None:
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "Traceback" not in said
    assert "the same command continues" in said
    assert not lives(seen(events, "started")[0]["pid"])


@pytest.mark.slow
def test_each_round_drafts_with_the_adapter_that_was_trained_before_it(tmp_path: Path) -> None:
    """SFT, two rounds and the evaluation, with real (tiny) trainings between servers that answer sums."""
    from tests.training import tiny

    base = tiny.build(tmp_path / "base")
    data = recipe(tmp_path / "run", base, rounds=2, evaluate={"methods": ["weak_only", "weak_aligned"], "limit": 2})
    data |= {"sft": {"epochs": 1}, "lora": {"r": 4, "alpha": 8}, "format": "direct_answer"}
    with Pipeline(make_recipe(data)) as pipeline:
        pipeline.run()
        adapters = [pipeline.context.weak.after_round(number).model_name for number in (0, 1, 2)]
    started = seen(tmp_path / "run-events.jsonl", "started")
    given = [" ".join(each["argv"]) for each in started]
    assert len(given) == 3  # two rounds of feedback, and one for the whole evaluation
    assert adapters[0] in given[0]
    assert adapters[1] in given[1]
    assert adapters[0] not in given[1]
    assert all(adapter in given[2] for adapter in adapters)
    assert "--max-lora-rank 8" in given[0]
    models = [call["model"] for call in seen(tmp_path / "run-events.jsonl", "called")]
    assert len(set(models)) == 4  # the base, and three adapters
    assert not any(lives(each["pid"]) for each in started)
