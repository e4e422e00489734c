"""Memory that torch frees on a CPU stays with the process, which would otherwise get it anew at every step."""

import ctypes
import functools
import platform

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
_NEVER = 2**31 - 1
_GROWS_BY = 64 * 2**20


@functools.cache
def keep_freed_memory() -> None:
    """Tells glibc's malloc to keep what is freed; once a process. Other C libraries are left as they are.

    By default large tensors are mapped and unmapped each time, and every page of them is filled with zeros on its first
    use: 400,000 page faults in a training step of a model of 135 million weights.
    """
    libc = _glibc()
    if libc is not None:
        # One arena, since those of further threads consist of small heaps that are given back whatever is asked.
        for option, value in (
            (_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_TOP_PAD, _GROWS_BY),
        ):  # fmt: skip
            libc.mallopt(option, value)


def give_back_memory() -> None:
    """Returns to the system what has been freed so far."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
