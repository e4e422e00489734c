"""Drafting on a Ray cluster of several simulated nodes, while engines, nodes, the driver and the control plane die.

    make test-slow                                     # or: python -m pytest -m slow tests/cluster/test_ray.py

The driver is a process of its own, as in a real run: `cowest feedback` on a node of the cluster.
"""

import importlib.util
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from cowest.pipeline import Pipeline
from cowest.recipe import make_recipe
from tests.cluster.simulated import Simulated
from tests.models.conftest import make_model_folder
from tests.recipes import recipe_of

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra cluster"),
    pytest.mark.slow,
    pytest.mark.timeout(2400),
]

COMPARED = ("graded.jsonl", "pairs.jsonl", "failures.jsonl")
NUM_QUERIES, NUM_SAMPLES = 80, 4
NUM_DRAFTS = NUM_QUERIES * NUM_SAMPLES
MOST_S = 600.0

Driver = subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model_folder(tmp_path_factory.mktemp("model"), layers=4, width=64, context=512)


@pytest.fixture
def cluster() -> Iterator[Simulated]:
    with Simulated(num_nodes=2) as simulated:
        yield simulated


def recipe(folder: Path, model: Path, **changes: Any) -> dict[str, Any]:
    return recipe_of(
        folder,
        task__train=str(NUM_QUERIES),
        weak={
            "model": f"local/{model}",
            "options": {"dtype": "float64", "max_batch_size": 16},
            "sampling": {"max_tokens": 60},
        },
        sft={"from": f"local/{model}"},
        feedback={"queries": NUM_QUERIES, "samples": NUM_SAMPLES, "skip_settled": False},
        strong__max_concurrency=16,
        **changes,
    )


@pytest.fixture(scope="module")
def expected(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process makes, without Ray."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    with Pipeline(make_recipe(recipe(folder, model))) as pipeline:
        pipeline.sft()
        pipeline.feedback(1)
    return files_of(folder)


def files_of(folder: Path) -> dict[str, Any]:
    """The files of the feedback, and the number of replies that each role was paid for."""
    files: dict[str, Any] = {name: (folder / "round-1/feedback" / name).read_bytes() for name in COMPARED}
    return files | {role: num_kept(folder, role) for role in ("weak", "strong")}


def start(cluster: Simulated, folder: Path, model: Path) -> Driver:
    """A driver: `cowest feedback`, after the record of an SFT that trained nothing."""
    with Pipeline(make_recipe(recipe(folder, model))) as pipeline:
        pipeline.sft()
    file = folder.parent / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe(folder, model, cluster=cluster.address)), encoding="utf-8")
    command = [sys.executable, "-m", "cowest", "feedback", str(file)]
    with said_in(folder).open("w", encoding="utf-8") as said:  # a pipe that nobody reads would stop it once full
        return subprocess.Popen(command, stderr=said, env=cluster.environment)


def said_in(folder: Path) -> Path:
    """What the driver says."""
    return folder.parent / "said.txt"


def finish(driver: Driver, folder: Path, status: int = 0) -> str:
    """Waits for the driver; what it said."""
    driver.wait(timeout=MOST_S)
    said = said_in(folder).read_text(encoding="utf-8")
    assert driver.returncode == status, said
    return said


def num_kept(folder: Path, role: str = "weak") -> int:
    """Replies of a role in the run's ledger."""
    try:
        with closing(sqlite3.connect(f"file:{folder / 'ledger.sqlite'}?mode=ro", uri=True)) as ledger:
            (count,) = ledger.execute(
                "SELECT count(*) FROM calls WHERE role = ? AND response IS NOT NULL", (role,)
            ).fetchone()
    except sqlite3.OperationalError:
        return 0
    return int(count)


def wait_until(happened: Callable[[], Any], driver: Driver) -> None:
    deadline = time.monotonic() + MOST_S
    while not happened():
        assert driver.poll() is None, "the driver has ended"
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def test_engines_and_a_node_are_lost_and_one_joins(
    cluster: Simulated, model: Path, expected: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    driver = start(cluster, folder, model)
    for number in (1, 2):
        wait_until(lambda n=number: num_kept(folder) >= n * NUM_DRAFTS // 8 and cluster.engines(), driver)
        os.kill(cluster.engines()[0], signal.SIGKILL)
    wait_until(lambda: num_kept(folder) >= 3 * NUM_DRAFTS // 8, driver)
    cluster.kill_node()
    cluster.add_node()
    said = finish(driver, folder)
    assert files_of(folder) == expected
    assert said.count("an engine was lost") >= 3
    assert cluster.engines() == []  # they end with the run


def test_driver_is_killed_and_the_same_command_goes_on(
    cluster: Simulated, model: Path, expected: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    driver = start(cluster, folder, model)
    wait_until(lambda: num_kept(folder) >= 3 * NUM_DRAFTS // 8, driver)
    driver.kill()
    driver.wait()
    killed_at = time.monotonic()
    while cluster.engines():
        assert time.monotonic() - killed_at < 30
        time.sleep(0.05)
    assert 0 < num_kept(folder, "strong") < expected["strong"]
    finish(start(cluster, folder, model), folder)
    assert files_of(folder) == expected  # each reply kept once


def test_control_plane_that_dies_is_an_error_in_bounded_time(cluster: Simulated, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    driver = start(cluster, folder, model)
    wait_until(lambda: num_kept(folder) >= NUM_DRAFTS // 8, driver)
    cluster.kill_control_plane()
    killed_at = time.monotonic()
    assert "same command goes on" in finish(driver, folder, status=3)
    assert time.monotonic() - killed_at < 90
    assert not (folder / "ledger.sqlite-wal").exists()  # closed in order: nothing is left to recover


def test_cluster_without_a_token_is_refused(model: Path, tmp_path: Path) -> None:
    with Simulated(num_nodes=0, token=None) as cluster:
        driver = start(cluster, tmp_path / "run", model)
        assert "RAY_AUTH_MODE=token" in finish(driver, tmp_path / "run", status=2)
