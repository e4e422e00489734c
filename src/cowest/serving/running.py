"""Runs the endpoint: where it may listen, warm-up, and how it stops."""

import asyncio
import math
import os
import signal
import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from cowest import synchronous
from cowest.collaboration import Collaboration
from cowest.errors import InputError
from cowest.recipe import Recipe
from cowest.serving.guard import is_loopback
from cowest.serving.protocol import HTTPProtocol

KEY_VARIABLE = "COWEST_API_KEY"


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
    app: Starlette, *, host: str, port: int, drain_s: float, on_start: Callable[[str], None] = lambda url: None
) -> None:
    """Serves until SIGTERM or Ctrl-C; requests in progress get `drain_s` seconds to finish.

    Args:
        port: 0 chooses a free one.
        on_start: called with the URL once requests are answered.

    Raises:
        InputError: host and port cannot be listened at.
        KeyboardInterrupt: after Ctrl-C, when everything is closed.
    """
    with listen(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        server = _Server(
            uvicorn.Config(
                app,
                http=HTTPProtocol,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="on",
                timeout_graceful_shutdown=math.ceil(drain_s),
            ),
            lambda: on_start(url),
        )
        before = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when it has stopped
        try:
            asyncio.run(server.serve(sockets=[listener]))
        finally:
            signal.signal(signal.SIGTERM, before)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()


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
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        if listener is not None:
            listener.close()
        raise InputError(f"{host}:{port} cannot be listened at: {error}. Give another --host or --port.") from error
    return listener
