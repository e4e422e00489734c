"""Many items at once: order, bound, and what happens when one fails."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowest import synchronous
from cowest.concurrency import LINE, in_line, in_order, let_through, map_in_flight


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


@settings(max_examples=40, deadline=None)
@given(
    durations=st.lists(st.floats(0.0, 5.0), max_size=40),
    num_in_flight=st.one_of(st.none(), st.integers(1, 9)),
    most_ahead=st.integers(1, 20),
)
def test_results_come_in_order_and_what_is_held_is_bounded(
    durations: list[float], num_in_flight: int | None, most_ahead: int
) -> None:
    begun, yielded, running, most_running = 0, 0, 0, 0
    bound = max(most_ahead, num_in_flight or 1)

    async def work(index: int) -> int:
        nonlocal begun, running, most_running
        begun, running = begun + 1, running + 1
        most_running = max(most_running, running)
        assert begun - yielded <= bound
        await asyncio.sleep(durations[index])
        running -= 1
        return index

    async def run() -> list[int]:
        nonlocal yielded
        found = []
        items = range(len(durations))
        async with contextlib.aclosing(in_order(work, items, num_in_flight, most_ahead=most_ahead)) as results:
            async for result in results:
                yielded += 1
                found.append(result)
        return found

    assert virtual(run()) == list(range(len(durations)))
    assert most_running <= (num_in_flight or LINE)


def virtual(work: Coroutine[Any, Any, Any]) -> Any:
    loop = looptime.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def test_a_slow_first_item_stops_the_others_from_being_begun() -> None:
    begun = 0

    async def work(index: int) -> int:
        nonlocal begun
        begun += 1
        let_through()
        await asyncio.sleep(1000.0 if index == 0 else 0.1)
        return index

    async def run() -> int:
        async with contextlib.aclosing(in_order(work, range(10_000), most_ahead=300)) as results:
            first = asyncio.ensure_future(anext(results))
            await asyncio.sleep(999.0)
            begun_before = begun
            assert await first == 0
            first = asyncio.ensure_future(anext(results))
            assert await first == 1
        return begun_before

    assert virtual(run()) == 300


def test_items_are_begun_as_fast_as_calls_are_let_through() -> None:
    """A door that lets ten a second through, each for 15 s: 150 are inside, and few wait."""
    inside = most_inside = waiting = most_waiting = 0
    door = asyncio.Lock()

    async def work(index: int) -> None:
        nonlocal inside, most_inside, waiting, most_waiting
        with in_line():
            waiting += 1
            most_waiting = max(most_waiting, waiting)
            async with door:
                await asyncio.sleep(0.1)
            waiting -= 1
        let_through()
        inside += 1
        most_inside = max(most_inside, inside)
        await asyncio.sleep(15.0)
        inside -= 1

    virtual(map_in_flight(work, range(400)))
    assert most_inside >= 149
    assert most_waiting <= LINE


async def test_a_consumer_that_stops_leaves_no_task_behind() -> None:
    async def work(index: int) -> int:
        await asyncio.sleep(0.001 * index)
        return index

    async with contextlib.aclosing(in_order(work, range(50), 7)) as results:
        assert await anext(results) == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_room_in_the_line_wakes_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 items with three each wait for room, which comes and goes with each call; waking all takes 38,000 turns."""
    num_woken = 0
    wake = asyncio.Event.set

    def counted(self: asyncio.Event) -> None:
        nonlocal num_woken
        num_woken += 1
        wake(self)

    monkeypatch.setattr(asyncio.Event, "set", counted)
    door = asyncio.Lock()

    async def call(index: int) -> int:
        with in_line():
            async with door:
                await asyncio.sleep(0.01)
        let_through()
        await asyncio.sleep(5.0)
        return index

    async def work(index: int) -> list[int]:
        await call(index)
        return await map_in_flight(call, [index, index + 1, index + 2])

    assert virtual(map_in_flight(work, range(200))) == [[index, index + 1, index + 2] for index in range(200)]
    assert num_woken < 10 * 800
