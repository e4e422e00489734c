from pathlib import Path

import pytest

from cowest.errors import InputError
from cowest.training import settings as module
from cowest.training.settings import TrainingSettings, checkpoint_interval, num_steps


@pytest.mark.parametrize(
    ("rows", "processes", "expected"),
    [(1, 1, 1), (8, 1, 1), (9, 1, 2), (8, 2, 1), (9, 2, 2), (17, 4, 3)],
)
def test_num_steps_of_an_epoch(rows: int, processes: int, expected: int) -> None:
    assert num_steps(TrainingSettings(batch_size=2, gradient_accumulation=4), rows, processes) == expected


def test_a_step_has_the_same_rows_in_any_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TrainingSettings(batch_size=2, gradient_accumulation=8)
    for processes, passes in ((1, 8), (2, 4), (8, 1)):
        monkeypatch.setenv("WORLD_SIZE", str(processes))
        assert module.trainer_arguments(settings, Path("x"), 0)["gradient_accumulation_steps"] == passes
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match=r"is 8, which cannot be divided among 3 processes.* or set it to 9"):
        module.trainer_arguments(settings, Path("x"), 0)


def test_checkpoints_are_neither_rare_nor_crowded() -> None:
    assert checkpoint_interval(TrainingSettings(), 48) == 25
    assert checkpoint_interval(TrainingSettings(), 10_000) == 500
    assert checkpoint_interval(TrainingSettings(save_every=3), 10_000) == 3


def test_several_gpus_in_one_process_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(InputError, match="accelerate launch"):
        module.trainer_arguments(TrainingSettings(), Path("x"), 0)


def test_a_gpu_brings_mixed_precision_and_checkpointing(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = module.trainer_arguments(TrainingSettings(), Path("x"), 0)
    assert (cpu["use_cpu"], cpu["bf16"], cpu["gradient_checkpointing"]) == (True, False, False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: True)
    gpu = module.trainer_arguments(TrainingSettings(), Path("x"), 0)
    assert (gpu["use_cpu"], gpu["bf16"], gpu["gradient_checkpointing"]) == (False, True, True)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert module.trainer_arguments(TrainingSettings(), Path("x"), 0)["use_cpu"]
