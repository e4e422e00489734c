"""Python's search for garbage, run less often while thousands of calls are in flight."""

import contextlib
import gc
import threading
from collections.abc import Iterator

SELDOM = (20_000, 10, 10)
"""Thresholds of the three generations, for `gc.set_threshold`: a full search about every 2,000,000 new objects."""

_lock = threading.Lock()
_num_inside = 0
_before = (0, 0, 0)


@contextlib.contextmanager
def seldom_searched() -> Iterator[None]:
    """Inside, garbage is searched for seldom, and not among what was there before.

    Each call in flight holds a few hundred objects, none of them garbage. By default all are looked through again with
    every few calls, which was a seventh of the processor time of a round of feedback. Where the caller has chosen
    thresholds that are higher, has frozen objects or has switched the search off, that stays.
    """
    global _num_inside, _before
    with _lock:
        _num_inside += 1
        if _num_inside == 1:
            _before = gc.get_threshold()
            if 0 < _before[0] < SELDOM[0] and not gc.get_freeze_count():
                gc.freeze()
                gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        with _lock:
            _num_inside -= 1
            if not _num_inside and gc.get_threshold() == SELDOM:
                gc.set_threshold(*_before)
                gc.unfreeze()
