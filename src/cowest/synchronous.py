"""Runs async code from the synchronous API."""

import asyncio
import concurrent.futures
from collections.abc import Coroutine
from typing import Any, TypeVar

from cowest.garbage import seldom_searched

Result = TypeVar("Result")


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Runs a coroutine and returns its result; works inside a running event loop (a notebook) too."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with seldom_searched():
            return asyncio.run(coroutine)
    with seldom_searched(), concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
