"""Runs the endpoint: where it may listen, warm-up, and how it stops."""

import asyncio
import contextlib
import functools
import gc
import logging
import math
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from cowest import synchronous
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.recipe import Recipe
from cowest.serving.connections import Connections
from cowest.serving.guard import is_loopback
from cowest.serving.protocol import HTTPProtocol
from cowest.serving.quiet_log import OnceASecond
from cowest.serving_config import ServeConfig

_LOG = logging.getLogger("cowest.serving")

KEY_VARIABLE = "COWEST_API_KEY"

_QUEUED = 2048
"""Connections that the kernel keeps until they are accepted."""

_AT_ONCE = 64
"""Connections that asyncio accepts before it does anything else, each of which takes a file."""

_OTHER_FILES = 64
"""Open files besides connections: the log, records, libraries, the event loop."""


def api_key(host: str) -> str | None:
    """The bearer token from the environment, for a server that listens at `host`; None without one.

    Raises:
        InputError: there is none, and other machines could connect.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key and not is_loopback(host):
        raise InputError(
            f"--host {host} can be reached from other machines, and no key is set. Set one "
            f"(export {KEY_VARIABLE}=...), or listen on 127.0.0.1."
        )
    return key or None


def warm_up(recipe: Recipe, collaboration: Collaboration) -> None:
    """Loads the weights of models in this process; otherwise the first draft would miss its deadline.

    Raises:
        InputError: the weights cannot be used.
    """
    request = collaboration.draft_request("?")
    sampling = request.sampling.model_copy(update={"max_tokens": 1})
    for model, config in ((collaboration.weak, recipe.weak), (collaboration.strong, recipe.strong)):
        if config.provider == "local":
            synchronous.run(model.complete(request.model_copy(update={"sampling": sampling})))


def serve(
    app: Starlette,
    recipe: Recipe,
    *,
    host: str,
    port: int,
    on_start: Callable[[str], None] = lambda url: None,
    listener: socket.socket | None = None,
) -> None:
    """Serves until SIGTERM or Ctrl-C; requests in progress get `drain_s` seconds to finish.

    Args:
        recipe: its section `serve` has the limits.
        port: 0 chooses a free one.
        on_start: called with the URL once requests are answered.
        listener: an open socket to accept from, in place of host and port.

    Raises:
        InputError: host and port cannot be listened at.
        KeyboardInterrupt: after Ctrl-C, when everything is closed.
    """
    with listener or listen(host, port) as opened:
        url = url_of(host, opened)
        server = Server(app, recipe.serve, num_connections(recipe), lambda: on_start(url))
        # Before uvicorn takes the signal over, it must not be lost; and uvicorn raises it again when it has stopped.
        before = signal.signal(signal.SIGTERM, lambda *_: setattr(server, "should_exit", True))
        for name in ("uvicorn.error", "asyncio"):
            logging.getLogger(name).addFilter(OnceASecond())
        # What was imported stays: the collector need not walk through it again while requests wait.
        gc.collect()
        gc.freeze()
        # A thread that reads a large reply gives way sooner than after Python's 5 ms.
        sys.setswitchinterval(0.001)
        try:
            asyncio.run(server.serve(sockets=[opened]))
        finally:
            signal.signal(signal.SIGTERM, before)


def url_of(host: str, listener: socket.socket) -> str:
    """The URL of a listening socket."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


class Server(uvicorn.Server):
    """Uvicorn's server, with limits on connections.

    Args:
        num_connections: that may be open.
        on_start: called once requests are answered.
    """

    def __init__(
        self,
        app: Starlette,
        config: ServeConfig,
        num_connections: int,
        on_start: Callable[[], None],
    ) -> None:
        self._connections = Connections(num_connections, config.head_s)
        self._on_start = on_start
        super().__init__(
            uvicorn.Config(
                app,
                http=functools.partial(HTTPProtocol, connections=self._connections),  # type: ignore[arg-type]
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="on",
                timeout_graceful_shutdown=math.ceil(config.drain_s),
                backlog=_AT_ONCE,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts to answer."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_QUEUED)  # asyncio has set it to `backlog`
        self._on_start()

    async def on_tick(self, counter: int) -> bool:
        """What is done ten times a second."""
        if counter % 10 == 0:
            self._connections.sweep()
        return await super().on_tick(counter)


def num_connections(recipe: Recipe) -> int:
    """How many clients may be connected: `max_connections`, or fewer where this process may open fewer files.

    Raises:
        InputError: hardly any files may be opened.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # macOS allows less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    calls = [model.max_concurrency or recipe.serve.max_concurrency for model in (recipe.weak, recipe.strong)]
    others = _OTHER_FILES + _AT_ONCE + sum(calls)
    wanted, possible = recipe.serve.max_connections, soft - others
    if soft == resource.RLIM_INFINITY or wanted <= possible:
        return wanted
    if possible < 1:
        raise InputError(
            f"This process may open {soft} files (ulimit -n), and serving needs {others + 1} at least. Raise the "
            "limit, or lower max_concurrency of the models."
        )
    _LOG.warning("serve.max_connections is %d, but %d open files (ulimit -n) leave room for %d", wanted, soft, possible)
    return possible


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        InputError: host and port cannot be listened at.
    """
    listener = None
    try:
        if not 0 <= port < 2**16:  # getaddrinfo would use its last 16 bits
            raise OverflowError("a port is a number from 0 to 65535")
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Not socket.create_server, which names no protocol: asyncio then leaves Nagle's algorithm on, and the second
        # part of an answer waits 40 ms for the client's acknowledgement of the first.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_QUEUED)
    except (OSError, OverflowError) as error:
        if listener is not None:
            listener.close()
        raise InputError(f"{host}:{port} cannot be listened at: {error}. Give another --host or --port.") from error
    return listener
