"""The dispatcher with real threads and engines that a test ends; no Ray."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import Any

import pytest

from cowest.cluster.cluster import Cluster
from cowest.cluster.patience import Patience
from cowest.cluster.places import Node
from cowest.cluster.schedule import MAX_LOSSES
from cowest.errors import CompletionError, EndpointError
from tests.cluster.doubling import Doubling, FakeEngine, FakeEngines
from tests.cluster.fake_ranks import FakeRanks

ENOUGH_S = 20.0
BRIEF = Patience(no_engine_s=0.3, starting_s=ENOUGH_S, control_plane_s=ENOUGH_S)

Opened = Callable[..., Cluster]


@pytest.fixture
def opened() -> Iterator[Opened]:
    clusters: list[Cluster] = []

    def open_cluster(engines: FakeEngines, patience: Patience | None = None) -> Cluster:
        clusters.append(Cluster("head:6379", engines, FakeRanks("a"), patience=patience))
        return clusters[-1]

    yield open_cluster
    for cluster in clusters:
        cluster.close()


def submit(cluster: Cluster, count: int) -> list["Future[Any]"]:
    pool = cluster.pool(Doubling())
    return [pool.submit(number) for number in range(count)]


def results(futures: list["Future[Any]"]) -> list[Any]:
    return [future.result(ENOUGH_S) for future in futures]


def wait_until(happened: Callable[[], Any]) -> None:
    deadline = time.monotonic() + ENOUGH_S
    while not happened():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def test_results_come_in_the_order_asked_from_all_engines(opened: Opened) -> None:
    both = threading.Barrier(2)  # neither goes on before the other has its first batch
    engines = FakeEngines(
        "a", "b", on_batch=lambda engine, items: both.wait(ENOUGH_S) if 0 in items or 4 in items else 0
    )
    cluster = opened(engines)
    assert results(submit(cluster, 40)) == [2 * number for number in range(40)]
    assert [len(engine.batches) > 0 for engine in engines.started] == [True, True]


def test_nothing_is_started_before_the_first_item(opened: Opened) -> None:
    engines = FakeEngines("a")
    opened(engines)
    assert engines.started == []


def test_batch_of_a_lost_engine_is_done_by_another(opened: Opened) -> None:
    lost: list[FakeEngine] = []

    def on_batch(engine: FakeEngine, items: Sequence[int]) -> None:
        if engine.place.node.id == "a" and len(lost) < 2:
            lost.append(engine)
            raise ConnectionError("the actor died")

    engines = FakeEngines("a", "b", on_batch=on_batch)
    assert results(submit(opened(engines), 40)) == [2 * number for number in range(40)]
    wait_until(lambda: lost)
    assert all(engine.is_killed for engine in lost)


def test_batch_goes_on_elsewhere_when_its_node_leaves_the_cluster(opened: Opened) -> None:
    begun, hold = threading.Event(), threading.Event()

    def on_batch(engine: FakeEngine, items: Sequence[int]) -> None:
        if engine.place.node.id == "a":
            begun.set()
            assert hold.wait(ENOUGH_S)

    engines = FakeEngines("a", "b", on_batch=on_batch)
    futures = submit(opened(engines), 12)
    assert begun.wait(ENOUGH_S)
    engines.alive = engines.alive[1:]  # node a hangs and never answers
    assert results(futures) == [2 * number for number in range(12)]
    hold.set()


def test_node_that_joins_gets_an_engine(opened: Opened) -> None:
    joined = threading.Event()

    def on_batch(engine: FakeEngine, items: Sequence[int]) -> None:
        if engine.place.node.id == "a":
            assert joined.wait(ENOUGH_S)  # node a is done only after node b has worked
        else:
            joined.set()

    engines = FakeEngines("a", on_batch=on_batch)
    futures = submit(opened(engines), 12)
    engines.alive.append(Node("b", "address of b", 1, 0))
    assert results(futures) == [2 * number for number in range(12)]


def test_capacity_gone_for_good_is_an_error_in_bounded_time(opened: Opened) -> None:
    engines = FakeEngines("a")
    cluster = opened(engines, BRIEF)
    assert results(submit(cluster, 3)) == [0, 2, 4]
    engines.alive = []
    wait_until(lambda: engines.started[0].is_killed)
    with pytest.raises(EndpointError, match=r"(?s)head:6379.*no engine.*no longer part.*ray start"):
        results(submit(cluster, 3))
    engines.alive = [Node("c", "address of c", 1, 0)]  # and it goes on when there is a node again
    wait_until(lambda: len(engines.started) == 2)
    assert results(submit(cluster, 3)) == [0, 2, 4]


def test_engine_that_is_never_ready_is_an_error_in_bounded_time(opened: Opened) -> None:
    engines = FakeEngines("a")
    engines.is_ready = False
    with pytest.raises(EndpointError, match=r"no engine"):
        results(submit(opened(engines, BRIEF), 3))


def test_control_plane_that_does_not_answer_is_an_error_in_bounded_time(opened: Opened) -> None:
    begun, hold = threading.Event(), threading.Event()

    def on_batch(engine: FakeEngine, items: Sequence[int]) -> None:
        begun.set()
        assert hold.wait(ENOUGH_S)

    engines = FakeEngines("a", on_batch=on_batch)
    futures = submit(opened(engines, Patience(control_plane_s=0.5)), 3)
    assert begun.wait(ENOUGH_S)
    engines.answers.clear()
    with pytest.raises(EndpointError, match=r"(?s)control plane.*head:6379.*same command goes on"):
        results(futures)
    engines.answers.set()
    hold.set()


def test_item_that_ends_every_engine_is_an_error_and_the_rest_goes_on(opened: Opened) -> None:
    def on_batch(engine: FakeEngine, items: Sequence[int]) -> None:
        if 13 in items:
            raise MemoryError("out of memory")

    engines = FakeEngines(*"abcdef", on_batch=on_batch)
    cluster = opened(engines)
    fine = submit(cluster, 8)
    assert results(fine) == [2 * number for number in range(8)]
    with pytest.raises(EndpointError, match=rf"{MAX_LOSSES} engines.*out of memory.*max_batch_size"):
        cluster.pool(Doubling()).submit(13).result(ENOUGH_S)
    assert results(submit(cluster, 8)) == [2 * number for number in range(8)]


class Picky(Doubling):
    """Refuses one number."""

    def open(self) -> Callable[[Sequence[int]], list[Any]]:
        return lambda items: [CompletionError("too long") if item == 1 else 2 * item for item in items]


def test_error_of_one_item_is_its_own(opened: Opened) -> None:
    pool = opened(FakeEngines("a")).pool(Picky())
    futures = [pool.submit(number) for number in range(3)]
    wait_for(futures, ENOUGH_S)
    assert [futures[0].result(), str(futures[1].exception()), futures[2].result()] == [0, "too long", 4]


def test_close_waits_for_what_is_queued_and_frees_the_memory_and_stop_ends_the_engines(opened: Opened) -> None:
    engines = FakeEngines("a", "b")
    cluster = opened(engines)
    futures, pool = submit(cluster, 20), cluster.pool(Doubling())
    pool.close()
    assert all(future.done() for future in futures)
    assert all(Doubling() in engine.released for engine in engines.started)
    cluster.stop()
    assert all(engine.is_killed for engine in engines.started)
    assert results(submit(cluster, 3)) == [0, 2, 4]  # the next item starts them again
    assert len(engines.started) > 2


def test_stop_fails_what_is_under_way(opened: Opened) -> None:
    begun, hold = threading.Event(), threading.Event()

    def on_batch(engine: FakeEngine, items: Sequence[int]) -> None:
        begun.set()
        assert hold.wait(ENOUGH_S)

    cluster = opened(FakeEngines("a", on_batch=on_batch))
    futures = submit(cluster, 9)
    assert begun.wait(ENOUGH_S)
    cluster.stop()
    assert all(isinstance(future.exception(ENOUGH_S), EndpointError) for future in futures)
    hold.set()
