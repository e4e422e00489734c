import gc
from collections.abc import Iterator

import pytest

from cowest import garbage, synchronous
from cowest.garbage import SELDOM


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)


async def inside() -> tuple[int, int, int]:
    assert synchronous.run(deeper()) == SELDOM
    return gc.get_threshold()


async def deeper() -> tuple[int, int, int]:
    return gc.get_threshold()


def test_while_calls_are_in_flight_garbage_is_searched_for_seldom() -> None:
    gc.set_threshold(700, 10, 10)
    assert synchronous.run(inside()) == SELDOM
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("chosen", [(0, 10, 10), (100_000, 50, 50)])
def test_thresholds_that_somebody_chose_stay(chosen: tuple[int, int, int]) -> None:
    gc.set_threshold(*chosen)
    assert synchronous.run(deeper()) == chosen
    assert gc.get_threshold() == chosen


def test_what_is_chosen_inside_stays() -> None:
    gc.set_threshold(700, 10, 10)
    with garbage.seldom_searched():
        gc.set_threshold(1000, 5, 5)
    assert gc.get_threshold() == (1000, 5, 5)
