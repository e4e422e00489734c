"""Memory that torch frees on a CPU stays with the process, which would otherwise get it anew at every step."""

import ctypes
import functools
import platform

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_NEVER = 2**31 - 1
_GROWS_BY = 64 * 2**20
_LARGEST_KEPT = 32 * 2**20  # glibc allows no more; larger blocks would fragment the heap, which aligned ones do


@functools.cache
def keep_freed_memory() -> None:
    """Tells glibc's malloc to keep what is freed; once a process. Other C libraries are left as they are.

    By default whatever is free at the end of the heap goes back to the system from 64 MiB on, and the next layer's
    tensors get it anew, with a page fault for every 4 KiB: hundreds of thousands in a training step.
    """
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)
        libc.mallopt(_M_TOP_PAD, _GROWS_BY)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)


def give_back_memory() -> None:
    """Returns to the system what has been freed so far."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
