"""Training in ranks on a Ray cluster of two simulated nodes: as torchrun's two processes, also when a rank is killed.

make test-slow                                     # or: python -m pytest -m slow tests/cluster/test_ray_gang.py
"""

import functools
import importlib.util
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cowest.cluster import Cluster
from cowest.errors import InputError
from cowest.stages.sft import SFTConfig, sft
from cowest.training.progress_file import ProgressFile
from cowest.training.trained import TrainedModel
from tests.cluster.simulated import Simulated, actors
from tests.training import tiny
from tests.training.torchrun import run_in_two

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra cluster"),
    pytest.mark.slow,
    pytest.mark.timeout(1200),
]

SETTINGS: dict[str, Any] = {"gradient_accumulation": 2, "learning_rate": 1e-2, "save_every": 4}
NUM_ROWS = 48
TORCHRUN = f"""
import sys
from cowest.stages.sft import SFTConfig, sft
from tests.training import tiny

base, out = sys.argv[1:]
sft(base, tiny.examples({NUM_ROWS}), out=out, config=SFTConfig(**{SETTINGS!r}))
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def expected(base: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The adapter that two processes of torchrun train."""
    out = tmp_path_factory.mktemp("torchrun")
    run_in_two(TORCHRUN, out, str(base), str(out / "sft"))
    return adapter(out / "sft")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Simulated(num_nodes=2) as simulated:
        from cowest.cluster.ray_connection import connect, disconnect
        from cowest.cluster.ray_engines import RayEngines

        opened = Cluster(connect(simulated.address), RayEngines(), RayEngines(), disconnect=disconnect)
        yield opened
        opened.close()


def adapter(out: Path) -> bytes:
    return (out / "adapter_model.safetensors").read_bytes()


def train(cluster: Cluster, base: Path, out: Path, on_step: Any = lambda step: None) -> list[tuple[int, int]]:
    """Trains on the cluster; returns the steps that were reported, of how many."""
    out.mkdir(exist_ok=True)
    file, seen = ProgressFile(out / "progress.jsonl"), []

    def show(done: int, total: int, metrics: dict[str, float]) -> None:
        assert metrics["loss"] > 0
        seen.append((done, total))
        on_step(done)

    training = functools.partial(
        sft, str(base), tiny.examples(NUM_ROWS), out=out, config=SFTConfig(**SETTINGS), progress=file.write
    )
    cluster.gang.train("sft", training, 2, reached=lambda: 0, tell=lambda: file.follow(show))
    file.follow(show)
    return seen


def ranks() -> list[int]:
    return actors("TrainingRank")


def test_two_nodes_train_what_torchrun_trains(cluster: Cluster, base: Path, expected: bytes, tmp_path: Path) -> None:
    seen = train(cluster, base, tmp_path / "sft")
    assert adapter(tmp_path / "sft") == expected
    assert TrainedModel.read(tmp_path / "sft").metrics.num_processes == 2
    assert seen == [(step, NUM_ROWS // 2) for step in range(1, NUM_ROWS // 2 + 1)]


def test_a_rank_is_killed_and_the_gang_goes_on_from_a_checkpoint(
    cluster: Cluster, base: Path, expected: bytes, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill(step: int) -> None:
        if step >= 6 and not killed:
            killed.append(max(ranks()))
            os.kill(killed[0], signal.SIGKILL)

    train(cluster, base, tmp_path / "sft", kill)
    assert killed
    assert adapter(tmp_path / "sft") == expected
    resumed_from = TrainedModel.read(tmp_path / "sft").metrics.resumed_from_step
    assert resumed_from is not None
    assert resumed_from >= 4
    deadline = time.monotonic() + 30.0  # Ray ends them, but does not wait until they are gone
    while ranks():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_error_of_the_training_is_the_users(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        train(cluster, tmp_path / "nowhere", tmp_path / "sft")
