"""training.json: its keys."""

from pathlib import Path

import pytest

from cowest import runs
from cowest.errors import InputError
from cowest.records import TrainingRecord
from tests.report.sample import training

KEYS = [
    *("version", "stage", "adapter", "base", "num_rows", "num_overlong", "num_untrainable", "max_length", "num_steps"),
    *("tokens", "first_loss", "final_loss", "final", "wall_s", "resumed_from_step", "settings", "seed", "device"),
    *("num_processes", "fingerprint", "versions"),
]


def test_keys_of_the_file_and_of_what_is_left_out_where_there_is_none() -> None:
    assert sorted(TrainingRecord(adapter=None, base="local/x").to_json()) == sorted(KEYS)
    aligned = training(lora={"r": 8}, reference="adapter", beta=0.1).to_json()
    assert sorted(aligned) == sorted([*KEYS, "lora", "reference", "beta"])


def test_a_checkpoint_that_stands_in_is_kept_under_the_recipes_word() -> None:
    found = TrainingRecord(adapter=None, base="local/x", from_="runs/one/sft").to_json()
    assert found["from"] == "runs/one/sft"
    assert "from_" not in found
    assert TrainingRecord.model_validate(found).from_ == "runs/one/sft"


@pytest.mark.parametrize("field", ["adapter", "base"])
def test_a_training_without_its_model_is_named(tmp_path: Path, field: str) -> None:
    written = training().to_json()
    del written[field]
    runs.write_json(tmp_path / "training.json", written)
    with pytest.raises(InputError, match=rf"training\.json.* {field}: "):
        TrainingRecord.read(tmp_path / "training.json")
