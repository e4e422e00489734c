"""Trackers: figures arrive, a failing tracker ends nothing, a missing package is refused before any work."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from cowest.errors import InputError
from cowest.records import EvaluationResults, FeedbackSummary
from cowest.trackers import Trackers, _flat
from tests.recipes import run

pytest.importorskip("torch")
pytest.importorskip("accelerate.tracking")  # looks for wandb when it is imported


def _trackers(names: tuple[str, ...], folder: Path, said: list[str]) -> Trackers:
    settings = {"seed": 3, "align": {"beta": 0.1, "optimizer": "rmsprop"}, "prompts": None}
    return Trackers(names, run="lab", folder=folder, settings=settings, say=said.append)  # type: ignore[arg-type]


def test_tensorboard_gets_every_figure_of_every_step(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    said: list[str] = []
    trackers = _trackers(("tensorboard",), tmp_path, said)
    with trackers.stage("sft") as log:
        log({"loss": 0.75, "grad_norm": None}, 1)
        log({"loss": 0.5}, 2)
    with trackers.stage("sft") as log:  # resumed
        log({"loss": 0.25}, 3)
    events = EventAccumulator(str(tmp_path / "tensorboard" / "sft")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 0.75), (2, 0.5), (3, 0.25)]
    assert events.Tags()["scalars"] == ["loss"]
    assert said == []


def test_without_names_nothing_is_imported_or_written(tmp_path: Path) -> None:
    with _trackers((), tmp_path / "new", []).stage("sft") as log:
        log({"loss": 0.5}, 1)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("place", ["start", "log", "finish"])
def test_a_failing_tracker_is_said_once_and_left_out(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    wandb = ModuleType("wandb")

    class Run:
        def log(self, values: object, step: int | None = None) -> None:
            reached("log")

        def finish(self) -> None:
            reached("finish")

    def reached(name: str) -> None:
        calls.append(name)
        if name == place:
            raise ConnectionError("the server is away\nand more")

    def init(**options: object) -> Run:
        print("chatter")
        reached("start")
        return Run()

    wandb.init = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setattr("accelerate.tracking.WandBTracker.store_init_configuration", lambda self, values: None)
    said: list[str] = []
    trackers = _trackers(("wandb",), tmp_path, said)
    for _ in range(2):
        with trackers.stage("sft") as log:
            log({"loss": 0.5}, 1)
            log({"loss": 0.4}, 2)
    assert said == ["report_to: wandb failed and is left out: ConnectionError: the server is away"]
    assert calls.count(place) == 1


def test_addresses_and_options_stay_here() -> None:
    section = {"model": "openai/x", "base_url": "http://10.0.0.7/v1", "options": {"api-key": "secret"}}
    assert _flat({"strong": section, "seed": 3, "prompts": None}) == {"strong.model": "openai/x", "seed": 3}


def test_what_a_tracker_prints_stays_off_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboard")
    with _trackers(("tensorboard",), tmp_path, []).stage("sft") as log:
        log({"loss": 0.5}, 1)
    assert capsys.readouterr().out == ""


def test_a_missing_package_is_named_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "mlflow" else object())
    with pytest.raises(InputError, match=r"report_to names mlflow, and mlflow is not installed.*pip install mlflow"):
        _trackers(("mlflow",), tmp_path, []).check()


def test_the_figures_of_a_run_reach_the_tracker(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path / "run", report_to=["tensorboard"])
    run(tmp_path / "run", "evaluate", report_to=["tensorboard"])
    logs = tmp_path / "run" / "trackers" / "tensorboard"
    summary = FeedbackSummary.read(tmp_path / "run" / "round-1" / "feedback" / "summary.json")
    feedback = EventAccumulator(str(logs / "feedback")).Reload()
    assert feedback.Scalars("num_pairs")[0].value == summary.num_pairs > 0
    results = EvaluationResults.read(tmp_path / "run" / "evaluate" / "results.json")
    evaluation = EventAccumulator(str(logs / "evaluate")).Reload()
    metric = results.headline_metric
    for method, row in results.methods.items():
        assert evaluation.Scalars(f"{method}/{metric}")[0].value == pytest.approx(row.metrics[metric].value)
