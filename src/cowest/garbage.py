"""Python's search for garbage, made less often while thousands of calls are in flight."""

import contextlib
import gc
import threading
from collections.abc import Iterator

SELDOM = (20_000, 10, 10)
"""Thresholds of the three generations for `gc.set_threshold`: objects made and not freed before the youngest are looked
through, and the times of that before the older ones are."""

_lock = threading.Lock()
_num_inside = 0
_before = SELDOM


@contextlib.contextmanager
def seldom_searched() -> Iterator[None]:
    """Inside, in every thread, garbage is searched for seldom.

    A call in flight holds a few hundred objects, none of them garbage. By Python's own thresholds all of these are
    looked through again with every few calls, which took a tenth and more of the processor time of a round of feedback.
    Higher thresholds of the caller stay, and so does a search that is switched off.
    """
    global _num_inside, _before
    with _lock:
        _num_inside += 1
        if _num_inside == 1:
            _before = gc.get_threshold()
            if 0 < _before[0] < SELDOM[0]:
                gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        with _lock:
            _num_inside -= 1
            if not _num_inside and gc.get_threshold() == SELDOM:
                gc.set_threshold(*_before)
