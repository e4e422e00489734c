import threading
from collections.abc import Sequence

import pytest

from cowest.models.providers._local_batching import Gatherer, Job


def test_what_comes_while_it_works_is_one_batch() -> None:
    sizes: list[int] = []
    started, go_on = threading.Event(), threading.Event()

    def work(jobs: Sequence[Job[int, int]]) -> None:
        sizes.append(len(jobs))
        started.set()
        assert go_on.wait(10)
        for job in jobs:
            job.result.set_result(job.item * 2)

    gatherer = Gatherer(work, name="test")
    first = gatherer.submit(0)
    assert started.wait(10)
    rest = [gatherer.submit(item) for item in range(1, 50)]
    go_on.set()
    assert [future.result(10) for future in [first, *rest]] == [item * 2 for item in range(50)]
    assert sizes == [1, 49]
    gatherer.close()


def test_what_comes_while_it_prepares_is_in_the_batch() -> None:
    sizes: list[int] = []
    preparing, go_on = threading.Event(), threading.Event()

    def prepare() -> None:
        preparing.set()
        assert go_on.wait(10)

    def work(jobs: Sequence[Job[int, int]]) -> None:
        sizes.append(len(jobs))
        for job in jobs:
            job.result.set_result(job.item)

    gatherer = Gatherer(work, prepare=prepare, name="test")
    first = gatherer.submit(0)
    assert preparing.wait(10)
    rest = [gatherer.submit(item) for item in range(1, 20)]
    go_on.set()
    assert [future.result(10) for future in [first, *rest]] == list(range(20))
    assert sizes == [20]
    gatherer.close()


def test_what_cannot_be_prepared_fails_its_batch_and_the_next_one_is_tried() -> None:
    broken = [True]

    def prepare() -> None:
        if broken.pop() if broken else False:
            raise ValueError("no weights")

    def work(jobs: Sequence[Job[int, int]]) -> None:
        for job in jobs:
            job.result.set_result(job.item)

    gatherer = Gatherer(work, prepare=prepare, name="test")
    with pytest.raises(ValueError, match="no weights"):
        gatherer.submit(1).result(10)
    assert gatherer.submit(2).result(10) == 2
    gatherer.close()


def test_exception_reaches_everyone_and_the_next_batch_works() -> None:
    fail = [True]

    def work(jobs: Sequence[Job[int, int]]) -> None:
        if fail.pop() if fail else False:
            raise ValueError("broken")
        for job in jobs:
            job.result.set_result(job.item)

    gatherer = Gatherer(work, name="test")
    with pytest.raises(ValueError, match="broken"):
        gatherer.submit(1).result(10)
    assert gatherer.submit(2).result(10) == 2
    gatherer.close()


def test_cancelled_jobs_are_left_out_and_close_works_off_the_rest() -> None:
    seen: list[int] = []
    go_on = threading.Event()
    started = threading.Event()

    def work(jobs: Sequence[Job[int, int]]) -> None:
        started.set()
        assert go_on.wait(10)
        seen.extend(job.item for job in jobs)
        for job in jobs:
            job.result.set_result(job.item)

    gatherer = Gatherer(work, name="local model x")
    gatherer.submit(0)
    assert started.wait(10)
    futures = [gatherer.submit(item) for item in (1, 2, 3)]
    assert futures[1].cancel()
    go_on.set()
    gatherer.close()
    gatherer.close()
    assert seen == [0, 1, 3]
    assert gatherer.submit(4).result(10) == 4
    gatherer.close()
