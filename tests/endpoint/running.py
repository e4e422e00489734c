"""Running an endpoint on loopback, in a thread of this process."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from aiohttp import web

from tests.endpoint.app import BEHAVIOUR, make_app
from tests.endpoint.behaviour import Behaviour, Counts


@dataclass
class Served:
    """An endpoint that is running."""

    url: str
    """The base_url of a recipe."""
    behaviour: Behaviour

    @property
    def counts(self) -> Counts:
        """What it has seen."""
        return self.behaviour.counts


@contextlib.contextmanager
def serving(what: web.Application | Behaviour) -> Iterator[Served]:
    """Runs an application, or an endpoint that behaves so, until the context ends; calls in flight are dropped."""
    app = what if isinstance(what, web.Application) else make_app(what)
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0, handler_cancellation=True)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0)
    loop.run_until_complete(site.start())
    port = runner.addresses[0][1]
    thread = threading.Thread(target=loop.run_forever, name="test endpoint", daemon=True)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{port}/v1", app[BEHAVIOUR])
    finally:
        asyncio.run_coroutine_threadsafe(_stop(runner), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stop(runner: web.AppRunner) -> None:
    await runner.cleanup()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
