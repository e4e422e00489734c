"""Concurrent work on many items, with a bound on those in flight; the first failure cancels the rest."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def map_in_flight(
    work: Callable[[Item], Awaitable[Result]], items: Sequence[Item], num_in_flight: int
) -> list[Result]:
    """Applies `work` to every item, at most `num_in_flight` at once. Returns the results in the order of the items.

    Raises:
        BaseException: the first one that `work` raised, unchanged; the other tasks are cancelled and awaited.
    """
    results: dict[int, Result] = {}
    waiting = iter(enumerate(items))

    async def worker() -> None:
        for index, item in waiting:
            results[index] = await work(item)

    workers = [asyncio.ensure_future(worker()) for _ in range(min(num_in_flight, len(items)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [results[index] for index in range(len(items))]
