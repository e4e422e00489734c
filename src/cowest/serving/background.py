"""The endpoint in a thread of this process, for notebooks and tests of an application in front of it."""

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Self

from starlette.applications import Starlette

from cowest.errors import CowestError
from cowest.recipe import Recipe
from cowest.serving.running import Server, listen, num_connections, url_of


class BackgroundServer:
    """An endpoint that answers until it is closed, at the latest when the process ends; a context closes it.

    Args:
        recipe: its section `serve` has the limits.
        port: 0 chooses a free one.

    Attributes:
        url: the `base_url` of OpenAI's client.

    Raises:
        InputError: host and port cannot be listened at.
        CowestError: it could not start; the log says why.
    """

    def __init__(self, app: Starlette, recipe: Recipe, *, host: str, port: int) -> None:
        started = threading.Event()
        self._server = Server(app, recipe.serve, num_connections(recipe), started.set)
        self._listener = listen(host, port)
        self.url = f"{url_of(host, self._listener)}/v1"

        def work() -> None:
            # Uvicorn ends the process where an application cannot start; here only the thread may end.
            with contextlib.ExitStack() as stack, contextlib.suppress(SystemExit):
                stack.callback(started.set)
                asyncio.run(self._server.serve(sockets=[self._listener]))

        self._thread = threading.Thread(target=work, name="cowest endpoint", daemon=True)
        self._thread.start()
        started.wait()
        if not self._server.started:
            self.close()
            raise CowestError("The endpoint could not start. The log of `cowest.serving` and `uvicorn` says why.")

    def close(self) -> None:
        """Stops; requests in progress get `drain_s` seconds to finish."""
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<endpoint {self.url}, {'running' if self._thread.is_alive() else 'closed'}>"
