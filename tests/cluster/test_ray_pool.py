"""A pool on a Ray cluster of simulated nodes, with work that costs nothing: what is lost, and what is seen then.

    python -m pytest -m slow tests/cluster/test_ray_pool.py

One cluster for all, since it takes most of the time; its control plane dies last.
"""

import contextlib
import importlib.util
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cowest.cluster import Cluster, Patience
from cowest.errors import EndpointError
from tests.cluster.simulated import Simulated

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra cluster"),
    pytest.mark.slow,
    pytest.mark.timeout(1200),
]

MOST_S = 240.0
BATCH_S = 0.2
PATIENCE = Patience(no_engine_s=45)
"""Short, where all engines are lost for good. Elsewhere it is that of a run, since engines take a while to start."""


@dataclass(frozen=True)
class Tripling:
    """Triples numbers in batches that take a while, and writes down every number that it was given."""

    log: str
    name: str = "tripling"
    max_batch_size: int = 8

    def open(self) -> Callable[[Sequence[int]], list[Any]]:
        def work(items: Sequence[int]) -> list[Any]:
            with open(self.log, "a", encoding="utf-8") as file:
                file.write("".join(f"{item}\n" for item in items))
            time.sleep(BATCH_S)
            return [3 * item for item in items]

        return work


@pytest.fixture(scope="module")
def simulated() -> Iterator[Simulated]:
    with Simulated(num_nodes=2) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def cluster(simulated: Simulated) -> Iterator[Cluster]:
    from cowest.cluster.ray_connection import connect, disconnect
    from cowest.cluster.ray_engines import RayEngines

    cluster = Cluster(connect(simulated.address), RayEngines(), RayEngines(), disconnect=disconnect)
    yield cluster
    cluster.close()


def submit(cluster: Cluster, log: Path, count: int) -> list["Future[int]"]:
    pool = cluster.pool(Tripling(str(log)))
    return [pool.submit(number) for number in range(count)]


def results(futures: list["Future[int]"]) -> list[int]:
    return [future.result(MOST_S) for future in futures]


def wait_until(happened: Callable[[], Any]) -> float:
    """Seconds until it happened."""
    begun = time.monotonic()
    while not happened():
        assert time.monotonic() < begun + MOST_S, "it never happened"
        time.sleep(0.02)
    return time.monotonic() - begun


def num_done(futures: list["Future[int]"]) -> int:
    return sum(future.done() for future in futures)


def given(log: Path) -> Counter[str]:
    """How often each number was given to an engine."""
    return Counter(log.read_text(encoding="utf-8").split())


def test_no_engine_is_lost(simulated: Simulated, cluster: Cluster, tmp_path: Path) -> None:
    assert len(cluster.places) == 2
    assert {tuple(found.items()) for found in cluster.ask_versions().values() if found} != set()
    futures = submit(cluster, tmp_path / "log", 16)
    print(f"\nfirst results after {wait_until(lambda: num_done(futures)):.1f} s")
    wait_until(lambda: len(simulated.engines()) == 2)
    begun = time.monotonic()
    futures = submit(cluster, tmp_path / "log 2", 400)
    assert results(futures) == [3 * number for number in range(400)]
    print(f"400 items in 50 batches of {BATCH_S} s on two engines: {time.monotonic() - begun:.1f} s")
    assert set(given(tmp_path / "log 2").values()) == {1}


def test_two_engines_and_a_node_are_killed_and_a_node_joins(
    simulated: Simulated, cluster: Cluster, tmp_path: Path
) -> None:
    futures = submit(cluster, tmp_path / "log", 2000)
    for number in (1, 2):
        wait_until(lambda n=number: num_done(futures) >= 100 * n and simulated.engines())
        os.kill(simulated.engines()[0], signal.SIGKILL)
    wait_until(lambda: num_done(futures) >= 400)
    simulated.kill_node()
    simulated.add_node()
    assert results(futures) == [3 * number for number in range(2000)]
    again = given(tmp_path / "log").total() - 2000
    print(f"\n{again} of 2,000 items were done again")
    assert 0 < again <= 3 * 8  # at most what each lost engine had
    assert len(given(tmp_path / "log")) == 2000


def test_capacity_gone_for_good_is_an_error_and_a_node_that_joins_is_used(
    simulated: Simulated, cluster: Cluster, tmp_path: Path
) -> None:
    from cowest.cluster.ray_engines import RayEngines

    cluster.stop()
    impatient = Cluster(simulated.address, RayEngines(), RayEngines(), patience=PATIENCE)
    futures = submit(impatient, tmp_path / "log", 4000)
    wait_until(futures[0].done)
    assert futures[0].exception() is None
    simulated.kill_node()
    simulated.kill_node()
    begun = time.monotonic()
    with pytest.raises(EndpointError, match="no engine"):
        results(futures)
    impatient.stop()
    print(f"\nall nodes lost: an error after {time.monotonic() - begun:.1f} s ({PATIENCE.no_engine_s:.0f} s patience)")
    simulated.add_node()
    again = submit(cluster, tmp_path / "log 2", 40)
    print(f"a node joins: results after {wait_until(lambda: num_done(again)):.1f} s")


def test_engines_end_when_the_pool_stops(simulated: Simulated, cluster: Cluster, tmp_path: Path) -> None:
    futures = submit(cluster, tmp_path / "log", 40)
    with contextlib.suppress(EndpointError):  # the node may still be joining
        results(futures)
    begun = time.monotonic()
    cluster.stop()
    wait_until(lambda: not simulated.engines())
    print(f"\nengines gone {time.monotonic() - begun:.1f} s after the pool was stopped")


def test_control_plane_that_dies_is_an_error(simulated: Simulated, cluster: Cluster, tmp_path: Path) -> None:
    futures = submit(cluster, tmp_path / "log", 20_000)
    wait_until(lambda: num_done(futures) >= 16)
    simulated.kill_control_plane()
    begun = time.monotonic()
    with pytest.raises(EndpointError, match="control plane"):
        results(futures)
    print(f"\ncontrol plane lost: an error after {time.monotonic() - begun:.1f} s")
    begun = time.monotonic()
    cluster.close()
    print(f"the pool closed in {time.monotonic() - begun:.1f} s")
