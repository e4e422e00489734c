import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
import torch

from cowest import cpu_threads

Value = TypeVar("Value")

POLICY = """
import os
from cowest.cli import main
main.main = lambda: print(os.environ["OMP_WAIT_POLICY"]) or 0
main.start()
"""


@pytest.mark.parametrize(("given", "policy"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")])
def test_the_command_line_sleeps_while_it_waits_unless_told_otherwise(given: dict[str, str], policy: str) -> None:
    bare = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", POLICY], env=bare | given, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [policy]


@pytest.mark.parametrize(("width", "small"), [(4_000, True), (5_000, False)])
def test_a_model_is_small_below_twenty_million_parameters(width: int, small: bool) -> None:
    assert cpu_threads.is_small(torch.nn.Linear(width, width, bias=False, device="meta")) is small


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    assert cpu_threads.available() == 3
    yield
    torch.set_num_threads(before)


def in_a_thread(function: Callable[[], Value]) -> Value:
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(function).result()


@pytest.mark.usefixtures("three_threads")
def test_a_limit_ends_with_its_block_and_never_raises_the_number() -> None:
    with cpu_threads.limited(2):
        assert torch.get_num_threads() == 2
    with cpu_threads.limited(8):
        assert torch.get_num_threads() == 3
    assert in_a_thread(torch.get_num_threads) == 3


@pytest.mark.usefixtures("three_threads")
def test_threads_that_leave_their_limits_in_any_order_leave_none_behind() -> None:
    first_is_in, second_is_in, second_may_leave = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with cpu_threads.limited(1):
            first_is_in.set()
            second_is_in.wait(10)

    def second() -> int:
        first_is_in.wait(10)
        with cpu_threads.limited(8):
            second_is_in.set()
            second_may_leave.wait(10)
            return torch.get_num_threads()

    with ThreadPoolExecutor(2) as threads:
        one, two = threads.submit(first), threads.submit(second)
        one.result(10)
        assert cpu_threads.available() == 3
        second_may_leave.set()
        assert two.result(10) == 3
    assert cpu_threads.available() == in_a_thread(torch.get_num_threads) == 3


@pytest.mark.usefixtures("three_threads")
def test_a_thread_that_began_under_anothers_limit_has_all_threads_once_it_asks() -> None:
    with ThreadPoolExecutor(1) as threads:
        with cpu_threads.limited(1):
            assert threads.submit(torch.get_num_threads).result(10) == 1
        assert threads.submit(torch.get_num_threads).result(10) == 1  # what torch does
        assert threads.submit(cpu_threads.available).result(10) == 3

        def asked() -> int:
            with cpu_threads.limited(2):
                return torch.get_num_threads()

        assert threads.submit(asked).result(10) == 2


@pytest.mark.usefixtures("three_threads")
def test_cores_are_given_in_the_order_of_asking_and_never_twice() -> None:
    cores, order, lock = cpu_threads.Cores(), list[int](), threading.Lock()
    taken, most = 0, 0

    def work(number: int, name: int) -> None:
        nonlocal taken, most
        with cores.taken(number):
            with lock:
                order.append(name)
                taken += torch.get_num_threads()
                most = max(most, taken)
            with lock:
                taken -= torch.get_num_threads()

    with ThreadPoolExecutor(8) as threads:
        with cores.taken(1):  # holds those back that need all three, and who comes after them
            waiting = []
            for name, number in enumerate([8, 1, 3, 2, 1]):
                waiting.append(threads.submit(work, number, name))
                while cores.num_waiting <= name:
                    pass
            assert order == []
        for each in waiting:
            each.result(10)
    assert most == 3
    assert order[0] == 0
    assert order.index(1) < order.index(2) < min(order.index(3), order.index(4))


@pytest.mark.usefixtures("three_threads")
def test_two_who_fit_work_at_the_same_time() -> None:
    cores, both = cpu_threads.Cores(), threading.Barrier(2, timeout=10)

    def work(number: int) -> None:
        with cores.taken(number):
            both.wait()

    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(work, 1), threads.submit(work, 2)]:
            each.result(10)


@pytest.mark.usefixtures("three_threads")
def test_one_who_waits_for_a_core_lets_those_in_line_go_first() -> None:
    cores, in_line_done = cpu_threads.Cores(), threading.Event()

    def in_line() -> None:
        with cores.taken(3):
            in_line_done.set()

    def watch() -> bool:
        cores.wait_for_one()
        return in_line_done.is_set()

    with ThreadPoolExecutor(2) as threads:
        with cores.taken(1):
            cores.wait_for_one()  # two of three are free
            working = threads.submit(in_line)
            while not cores.num_waiting:
                pass
            watching = threads.submit(watch)
        working.result(10)
        assert watching.result(10)
    with cores.taken(2):
        cores.wait_for_one()
