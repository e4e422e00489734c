"""Many items at once: order, bound, and what happens when one fails."""

import asyncio

import pytest

from cowest import synchronous
from cowest.concurrency import map_in_flight


async def test_results_keep_the_order_and_the_bound_holds() -> None:
    running, most = 0, 0

    async def work(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(7 - item % 5):
            await asyncio.sleep(0)
        running -= 1
        return item * item

    assert await map_in_flight(work, list(range(40)), 6) == [item * item for item in range(40)]
    assert most == 6


async def test_the_first_failure_comes_out_and_the_rest_is_stopped() -> None:
    finished = []

    async def work(item: int) -> None:
        await asyncio.sleep(0)
        if item == 2:
            raise ValueError("item 2")
        for _ in range(50):
            await asyncio.sleep(0)
        finished.append(item)

    with pytest.raises(ValueError, match="item 2"):
        await map_in_flight(work, list(range(100)), 5)
    assert finished == []


async def test_nothing_to_do() -> None:
    async def work(item: int) -> int:
        return item

    assert await map_in_flight(work, [], 5) == []


async def answer() -> int:
    return 42


def test_sync_bridge_outside_and_inside_a_loop() -> None:
    assert synchronous.run(answer()) == 42

    async def inside() -> int:
        return synchronous.run(answer())

    assert asyncio.run(inside()) == 42
