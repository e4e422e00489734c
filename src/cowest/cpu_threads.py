"""How torch uses the threads of a CPU."""

import contextlib
import os
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


@contextlib.contextmanager
def limited(number: int) -> Iterator[None]:
    """This thread's operations use at most `number` threads. Threads that begin meanwhile have the same limit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(number, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fitting(model: Any) -> contextlib.AbstractContextManager[None]:
    """One thread for a small model, all for others."""
    return limited(1) if is_small(model) else contextlib.nullcontext()
