"""How torch uses the threads of a CPU."""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

_FEW_PARAMETERS = 20_000_000


def sleep_while_waiting() -> None:
    """Lets threads sleep where one waits for another, unless the environment says otherwise; before torch is imported.

    By default they spin for milliseconds at the end of every operation. Where another program has one of the cores,
    the thread that is waited for stands still meanwhile, and a job takes ten times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def is_small(model: Any) -> bool:
    """Whether an operation of the model is so short that sharing it among threads takes longer than it saves."""
    num_parameters: int = sum(parameter.numel() for parameter in model.parameters())
    return num_parameters < _FEW_PARAMETERS


class _Limits:
    """The limits in force.

    torch has a number for each thread, and for those to come the last one that was set: a thread that began under
    another's limit keeps it. So the number without limits is the main thread's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_in_force = 0
        self._unlimited = 0

    def unlimited(self) -> int:
        with self._lock:
            return self._read()

    @contextlib.contextmanager
    def limited(self, number: int) -> Iterator[None]:
        import torch

        with self._lock:
            before, unlimited = torch.get_num_threads(), self._read()
            self._num_in_force += 1
            torch.set_num_threads(min(number, unlimited))
        try:
            yield
        finally:
            with self._lock:
                self._num_in_force -= 1
                torch.set_num_threads(before if self._num_in_force else self._unlimited)

    def _read(self) -> int:
        import torch

        in_main = threading.current_thread() is threading.main_thread()
        if self._unlimited == 0 or (in_main and self._num_in_force == 0):
            self._unlimited = torch.get_num_threads()
        return self._unlimited


_limits = _Limits()


def available() -> int:
    """Threads that torch uses where nothing here limits them."""
    return _limits.unlimited()


def limited(number: int) -> contextlib.AbstractContextManager[None]:
    """This thread's operations use `number` threads, at most those available."""
    return _limits.limited(number)


def fitting(model: Any) -> contextlib.AbstractContextManager[None]:
    """One thread for a small model, all for others."""
    return limited(1 if is_small(model) else available())


class Cores:
    """Shares the CPU's threads among those who work at the same time, in the order in which they came."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: deque[object] = deque()
        self._num_taken = 0

    @property
    def num_waiting(self) -> int:
        """Those whose turn has not come."""
        return len(self._line)

    @contextlib.contextmanager
    def taken(self, number: int) -> Iterator[None]:
        """Waits until `number` threads are free, or all if there are fewer, and limits this thread to them."""
        number, me = min(number, available()), object()
        with self._changed:
            self._line.append(me)
            self._changed.wait_for(lambda: self._line[0] is me and self._has_room(number))
            self._line.popleft()
            self._num_taken += number
            self._changed.notify_all()
        try:
            with limited(number):
                yield
        finally:
            with self._changed:
                self._num_taken -= number
                self._changed.notify_all()

    def wait_for_one(self) -> None:
        """Waits until a thread is free and nobody waits for it, and takes none."""
        with self._changed:
            self._changed.wait_for(lambda: not self._line and self._has_room(1))

    def _has_room(self, number: int) -> bool:
        return self._num_taken == 0 or self._num_taken + number <= available()
