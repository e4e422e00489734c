"""Resuming: whatever stops a training, the same call ends with the same bits as one that was never stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cowest.errors import InterruptedRun, TrainingError
from cowest.stages.sft import SFTConfig, sft
from cowest.training import TrainedModel
from tests.training import tiny
from tests.training.stepped import NUM_STEPS, OTHER_METHODS, SETTINGS, at, run_align, run_other, run_sft
from tests.training.torchrun import run_in_two


def stop() -> None:
    raise RuntimeError("stopped")


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "sft"
    assert run_sft(base, out).metrics.num_steps == NUM_STEPS
    return out


@pytest.fixture(scope="module")
def whole_alignment(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "align"
    run_align(whole, out)
    return out


def assert_same_result(out: Path, whole: Path) -> None:
    assert tiny.same_weights(out, whole)
    assert (out / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in whole.iterdir())


def test_two_runs_are_equal_in_every_bit(base: Path, tmp_path: Path, whole: Path) -> None:
    run_sft(base, tmp_path / "a")
    assert_same_result(tmp_path / "a", whole)


@pytest.mark.parametrize(("step", "resumed_from"), [(4, None), (5, 4), (7, 4), (12, 8)])
def test_resumed_run_equals_the_whole_one(
    base: Path, tmp_path: Path, whole: Path, step: int, resumed_from: int | None
) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        run_sft(base, tmp_path / "a", at(step, stop))
    assert not (tmp_path / "a" / "training.json").exists()
    resumed = run_sft(base, tmp_path / "a")
    assert resumed.metrics.resumed_from_step == resumed_from
    assert_same_result(tmp_path / "a", whole)


def test_resumed_at_the_border_of_two_epochs(base: Path, tmp_path: Path, whole: Path) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        run_sft(base, tmp_path / "a", at(7, stop), save_every=6)
    resumed = run_sft(base, tmp_path / "a")
    assert resumed.metrics.resumed_from_step == 6
    assert_same_result(tmp_path / "a", whole)


def test_alignment_resumes_with_its_reference(tmp_path: Path, whole: Path, whole_alignment: Path) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        run_align(whole, tmp_path / "a", at(6, stop))
    assert run_align(whole, tmp_path / "a").metrics.resumed_from_step == 3
    assert_same_result(tmp_path / "a", whole_alignment)


KILLED = """
import os, signal, sys
from pathlib import Path
from cowest.training import preference, supervised, unpaired
from tests.training.stepped import at, run_align, run_other, run_sft

base, whole, out, *names = map(Path, sys.argv[1:])
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
trainings = {
    "sft": lambda: run_sft(base, out / "sft", at(10, kill)),
    "align": lambda: run_align(whole, out / "align", at(6, kill)),
}
for name in map(str, names):
    train = trainings.get(name) or (lambda: run_other(name, whole, out / name, at(3, kill)))
    if not (child := os.fork()):
        train()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
"""


def test_killed_processes(base: Path, tmp_path: Path, whole: Path, whole_alignment: Path) -> None:
    kill(base, whole, tmp_path, "sft", "align")
    (tmp_path / "sft" / "checkpoints" / "checkpoint-9").mkdir()
    assert run_sft(base, tmp_path / "sft").metrics.resumed_from_step == 8
    assert_same_result(tmp_path / "sft", whole)
    assert not (tmp_path / "align" / "training.json").exists()
    assert run_align(whole, tmp_path / "align").metrics.resumed_from_step == 3
    assert_same_result(tmp_path / "align", whole_alignment)


@pytest.mark.slow
def test_killed_processes_of_other_methods(base: Path, tmp_path: Path, whole: Path) -> None:
    kill(base, whole, tmp_path, *OTHER_METHODS)
    for name in OTHER_METHODS:
        assert_resumes(name, whole, tmp_path)


def kill(base: Path, whole: Path, out: Path, *names: str) -> None:
    """Starts trainings by name in processes of their own, each of which is killed after a checkpoint."""
    command = [sys.executable, "-c", KILLED, str(base), str(whole), str(out), *names]
    paths = os.pathsep.join(path for path in sys.path if path)
    subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, check=True, timeout=200)


def assert_resumes(name: str, whole: Path, out: Path) -> None:
    assert not (out / name / "training.json").exists()
    assert run_other(name, whole, out / name).metrics.resumed_from_step == 2, name
    run_other(name, whole, out / f"whole-{name}")
    assert_same_result(out / name, out / f"whole-{name}")


def test_ctrl_c_ends_after_the_step_with_a_checkpoint(base: Path, tmp_path: Path, whole: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InterruptedRun, match=r"step 7 of 12\..* from step 7"):
        run_sft(base, tmp_path / "a", at(6, interrupt))
    assert signal.getsignal(signal.SIGINT) is before
    assert run_sft(base, tmp_path / "a").metrics.resumed_from_step == 7
    assert_same_result(tmp_path / "a", whole)


def test_ctrl_c_twice_ends_at_once(base: Path, tmp_path: Path, whole: Path) -> None:
    def twice() -> None:
        interrupt()
        interrupt()

    with pytest.raises(InterruptedRun, match="goes on from step 4"):
        run_sft(base, tmp_path / "a", at(6, twice))
    run_sft(base, tmp_path / "a")
    assert_same_result(tmp_path / "a", whole)


def test_ctrl_c_at_the_last_step_is_too_late(base: Path, tmp_path: Path, whole: Path) -> None:
    run_sft(base, tmp_path / "a", at(NUM_STEPS, interrupt))
    assert_same_result(tmp_path / "a", whole)


@pytest.mark.parametrize("change", [{"learning_rate": 2e-2}, {"optimizer": "sgd"}])
def test_checkpoints_of_other_settings_are_not_resumed(base: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="stopped"):
        run_sft(base, tmp_path / "a", at(5, stop))
    assert run_sft(base, tmp_path / "a", **change).metrics.resumed_from_step is None


def test_checkpoints_of_other_data_or_another_base_are_not_resumed(base: Path, tmp_path: Path) -> None:
    config = SFTConfig(**SETTINGS)
    other_base = tiny.build(tmp_path / "other", seed=1)
    for model, rows in ((base, tiny.examples(20)), (other_base, tiny.examples(21))):
        with pytest.raises(RuntimeError, match="stopped"):
            sft(str(base), tiny.examples(21), out=tmp_path / "a", config=config, progress=at(5, stop))
        trained = sft(str(model), rows, out=tmp_path / "a", config=config)
        assert trained.metrics.resumed_from_step is None


def test_finished_training_is_not_repeated(base: Path, tmp_path: Path) -> None:
    first = run_sft(base, tmp_path / "a")
    assert run_sft(base, tmp_path / "a", at(1, stop)) == first
    assert run_sft(base, tmp_path / "a", at(1, stop), save_every=5) == first
    assert TrainedModel.read(tmp_path / "a").metrics == first.metrics
    with pytest.raises(RuntimeError, match="stopped"):
        run_sft(base, tmp_path / "a", at(1, stop), learning_rate=1e-3)
    assert not (tmp_path / "a" / "adapter_model.safetensors").exists()


def test_diverged_training_says_so(base: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="diverged"):
        run_sft(base, tmp_path / "a", optimizer="sgd", learning_rate=1e30, max_grad_norm=0)
    assert not (tmp_path / "a" / "training.json").exists()


def test_full_disk_says_so(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transformers.Trainer._save_optimizer_and_scheduler", full)
    with pytest.raises(TrainingError, match="No space left"):
        run_sft(base, tmp_path / "a")


LAUNCHED = """
import sys
from cowest.stages.align import AlignConfig, align
from cowest.stages.sft import SFTConfig, sft
from tests.training import tiny

base, out = sys.argv[1:]
config = SFTConfig(gradient_accumulation=2, learning_rate=1e-2, save_every=2)
start = sft(base, tiny.examples(16), out=out + "/sft", config=config)
align(start, tiny.pairs(8), out=out + "/align", config=AlignConfig(gradient_accumulation=2, learning_rate=1e-3))
"""


@pytest.mark.slow
def test_two_processes_do_what_one_does(base: Path, tmp_path: Path) -> None:
    run_in_two(LAUNCHED, tmp_path, str(base), str(tmp_path / "two"))
    two = TrainedModel.read(tmp_path / "two" / "align")
    assert two.metrics.num_processes == 2
    assert two.metrics.first_loss == pytest.approx(0.6931, abs=1e-4)
    start = sft(
        str(base),
        tiny.examples(16),
        out=tmp_path / "one",
        config=SFTConfig(gradient_accumulation=2, learning_rate=1e-2),
    )
    assert start.metrics.num_steps == TrainedModel.read(tmp_path / "two" / "sft").metrics.num_steps
    there = tiny.weights_of(tmp_path / "two" / "sft")
    for name, tensor in tiny.weights_of(tmp_path / "one").items():
        assert there[name].allclose(tensor, atol=1e-4), name
