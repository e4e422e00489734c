"""Building the lab from nothing: the files, the record, and the same again from the same seeds."""

import json
from pathlib import Path

import pytest
from tests.worlds import tree

from cowest.lab.build import build
from cowest.lab.pretraining import SCHEDULES, Schedule

HASTY = {name: Schedule(num_steps=2, learning_rate=1e-3, warmup_steps=1) for name in SCHEDULES}


@pytest.mark.slow
def test_equal_seeds_give_equal_labs_and_other_worlds_differ(tmp_path: Path) -> None:
    for name, world_seed in (("one", 1), ("again", 1), ("other", 2)):
        build(tmp_path / name, world_seed=world_seed, report=lambda line: None, schedules=HASTY)
    one, again, other = (tree(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    assert set(one) == set(other)
    for name in ("train.jsonl", "formulary.jsonl", "strong-a/model.safetensors"):
        assert one[name] != other[name]
    record = json.loads(one["build.json"])
    assert (record["world_seed"], record["training_seed"]) == (1, 0)
    assert set(record["probes"]) == {"strong-a", "strong-b", "weak", "labeller"}
