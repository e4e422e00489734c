"""Concurrent work on many items, with a bound on those in flight; the first failure cancels the rest.

Where no number is given, items are begun as fast as what they wait for takes them: the next one is begun while few
calls wait in line. Code that lets calls through one after the other says so with `in_line` and `let_through`.
"""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TypeVar
from weakref import WeakKeyDictionary

Item = TypeVar("Item")
Result = TypeVar("Result")

LINE = 64
"""Calls that wait in line, and items of which no call was let through yet, before no other item is begun."""
MOST_AHEAD = 8192
"""Items that are begun and whose results cannot be passed on yet, since an earlier one is not done."""


class _Line:
    """The calls of one event loop that wait for their turn, wherever they wait; 1.0 is a full line.

    Attributes:
        waiting: for room in it, in order of arrival. They are woken one after the other: where calls are let through,
            the line is full and has room again hundreds of times a second, and thousands may wait.
    """

    def __init__(self) -> None:
        self.load = 0.0
        self.waiting = OrderedDict[asyncio.Event, None]()

    @property
    def is_full(self) -> bool:
        return self.load > 1 - 1e-6

    def join(self, share: float) -> None:
        self.load += share

    def leave(self, share: float) -> None:
        was_full = self.is_full
        self.load -= share
        if was_full:
            self.wake_next()

    def wake_next(self) -> None:
        """Wakes the first that waits, if there is room; it wakes the next one when it has taken what it needs."""
        if self.waiting and not self.is_full:
            self.waiting.popitem(last=False)[0].set()


class _Place:
    """An item's place in the line, from its beginning until its first call is let through."""

    def __init__(self, line: _Line | None) -> None:
        self._line = line
        if line is not None:
            line.join(1 / LINE)

    def leave(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.leave(1 / LINE)


# Each stage of a run has an event loop of its own.
_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line] = WeakKeyDictionary()
_place: ContextVar[_Place | None] = ContextVar("the place of the item that this task works on", default=None)


def _line() -> _Line:
    loop = asyncio.get_running_loop()
    line = _lines.get(loop)
    return _lines.setdefault(loop, _Line()) if line is None else line


@contextlib.contextmanager
def in_line(share: float = 1 / LINE) -> Iterator[None]:
    """Counts a call as waiting while the caller is inside.

    Args:
        share: of a full line.
    """
    line = _line()
    line.join(share)
    try:
        yield
    finally:
        line.leave(share)


def let_through() -> None:
    """Says that a call of the current item is sent, or waits where it is counted by itself."""
    place = _place.get()
    if place is not None:
        place.leave()


async def map_in_flight(
    work: Callable[[Item], Awaitable[Result]], items: Sequence[Item], num_in_flight: int | None = None
) -> list[Result]:
    """Applies `work` to every item and returns the results in the order of the items; see `in_order`.

    Raises:
        BaseException: the first one that `work` raised, unchanged; the other tasks are cancelled and awaited.
    """
    if len(items) == 1 and num_in_flight is not None:
        return [await work(items[0])]  # a task and an order would be for nothing
    async with contextlib.aclosing(in_order(work, items, num_in_flight)) as results:
        return [result async for result in results]


async def in_order(
    work: Callable[[Item], Awaitable[Result]],
    items: Sequence[Item],
    num_in_flight: int | None = None,
    *,
    most_ahead: int = MOST_AHEAD,
) -> AsyncGenerator[Result]:
    """Applies `work` to every item, and yields the results in the order of the items.

    Args:
        work: called for each item, in a task of its own.
        items: begun in this order.
        num_in_flight: how many are worked on at once; None begins the next one while the line is not full.
        most_ahead: how many may have been begun beyond the last one whose result was yielded, at least
            `num_in_flight`. It bounds the results that are held because an earlier one is slow.

    Raises:
        BaseException: the first one that `work` raised, unchanged; the other tasks are cancelled and awaited.
    """
    loop, line, changed = asyncio.get_running_loop(), _line(), asyncio.Event()
    most_ahead = max(most_ahead, num_in_flight or 1)
    # The reorder buffer: every task from the first whose result was not yielded.
    begun: deque[asyncio.Task[Result]] = deque()
    failed: list[asyncio.Task[Result]] = []
    num_running = 0

    async def one(item: Item, place: _Place) -> Result:
        if num_in_flight is None:  # an item of an item waits in the place of the latter
            _place.set(place)
        return await work(item)

    def begin(item: Item) -> None:
        nonlocal num_running
        place = _Place(line if num_in_flight is None else None)

        def end(task: asyncio.Task[Result]) -> None:
            nonlocal num_running
            num_running -= 1
            place.leave()
            if not task.cancelled() and task.exception() is not None:
                failed.append(task)
            changed.set()

        task = loop.create_task(one(item, place))
        task.add_done_callback(end)
        begun.append(task)
        num_running += 1

    def has_room() -> bool:
        if len(begun) >= most_ahead:
            return False
        return num_running < num_in_flight if num_in_flight is not None else not (num_running and line.is_full)

    try:
        num_begun = 0
        while num_begun < len(items) or begun:
            while num_begun < len(items) and has_room():
                begin(items[num_begun])
                num_begun += 1
            line.wake_next()
            if failed:
                failed[0].result()
            if begun[0].done():
                line.waiting.pop(changed, None)  # whoever takes the result may take long
                yield begun.popleft().result()
            else:
                changed.clear()
                if num_in_flight is None and num_begun < len(items) and len(begun) < most_ahead:
                    line.waiting.setdefault(changed)
                await changed.wait()
    finally:
        line.waiting.pop(changed, None)
        line.wake_next()
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
