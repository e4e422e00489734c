import json
from pathlib import Path
from typing import Any

import pytest

from cowest import runs
from cowest.records import TrainingRecord
from cowest.training.checkpoints import Checkpoints


def checkpoint(folder: Path, step: int) -> None:
    (folder / f"checkpoint-{step}").mkdir(parents=True)
    (folder / f"checkpoint-{step}" / "optimizer.pt").write_bytes(b"x")


def record(base: str, fingerprint: str) -> TrainingRecord:
    return TrainingRecord(adapter=".", base=base, fingerprint=fingerprint)


class Adapter:
    def save_pretrained(self, folder: str, **options: Any) -> None:
        Path(folder).mkdir(parents=True)
        (Path(folder) / "adapter_model.safetensors").write_bytes(b"weights")
        (Path(folder) / "adapter_config.json").write_text(json.dumps({"target_modules": ["b", "a"]}))


def test_a_checkpoint_written_in_part_is_not_resumed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "f", 1)
    checkpoints.prepare()
    checkpoint(checkpoints.folder, 10)
    checkpoints.mark_whole(10, 1.5)
    checkpoint(checkpoints.folder, 20)
    again = Checkpoints(tmp_path, "f", 1)
    again.prepare()
    assert again.last() == (again.folder / "checkpoint-10", 10, 1.5)
    assert not (again.folder / "checkpoint-20").exists()


def test_a_mark_written_in_part_counts_as_none(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "f", 1)
    checkpoints.prepare()
    checkpoint(checkpoints.folder, 10)
    (checkpoints.folder / "checkpoint-10" / "whole.json").write_text('{"st')
    checkpoints.prepare()
    assert checkpoints.last() is None


def test_the_latest_is_by_number_not_by_name(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "f", 1)
    checkpoints.prepare()
    for step in (9, 100, 20):
        checkpoint(checkpoints.folder, step)
        checkpoints.mark_whole(step, 0.0)
    last = checkpoints.last()
    assert last is not None
    assert last[1] == 100


def test_checkpoints_of_another_training_are_discarded(tmp_path: Path) -> None:
    for other in (Checkpoints(tmp_path, "g", 1), Checkpoints(tmp_path, "f", 2)):
        checkpoints = Checkpoints(tmp_path, "f", 1)
        checkpoints.prepare()
        checkpoint(checkpoints.folder, 10)
        checkpoints.mark_whole(10, 0.0)
        other.prepare()
        assert other.last() is None


def test_a_kill_before_the_mark_leaves_an_unfinished_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Checkpoints(tmp_path, "f", 1)
    checkpoints.prepare()
    checkpoint(checkpoints.folder, 10)
    checkpoints.mark_whole(10, 0.0)
    write_json = runs.write_json

    def killed(path: Path, value: Any) -> None:
        if path.name == "training.json":
            raise KeyboardInterrupt
        write_json(path, value)

    monkeypatch.setattr(runs, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.publish(Adapter(), record("b", "f"))
    assert checkpoints.finished() is None
    assert checkpoints.last() is not None


def test_published_folder_holds_no_checkpoint_and_a_sorted_config(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "f", 1)
    checkpoints.prepare()
    checkpoints.publish(Adapter(), record("org/base", "f"))
    assert checkpoints.finished() == record("org/base", "f")
    assert Checkpoints(tmp_path, "g", 1).finished() is None
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config == {"target_modules": ["a", "b"], "base_model_name_or_path": "org/base"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "training.json",
    ]


def test_training_anew_removes_the_old_result_first(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "f", 1).publish(Adapter(), record("b", "f"))
    Checkpoints(tmp_path, "g", 1).prepare()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]
