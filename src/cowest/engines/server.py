"""What a run needs of a server, wherever that is."""

import threading
from collections.abc import Sequence
from typing import Protocol

from cowest.engines.deployment import Adapter
from cowest.engines.turns import at_once


class Server(Protocol):
    """A server that the run started: where it answers, and its life."""

    url: str
    """The base URL of its OpenAI interface."""

    key: str
    """The bearer token that it asks for."""

    def start(self, cancelled: threading.Event) -> None:
        """Returns once it is healthy.

        Raises:
            InputError: its command cannot be run, or it is not the engine that was asked for.
            EndpointError: it ended, or was not healthy in time; nothing of it is left.
        """
        ...

    def is_alive(self) -> bool:
        """Whether its process runs."""
        ...

    def load(self, adapter: Adapter) -> None:
        """Loads an adapter while it runs.

        Raises:
            EndpointError: it refused.
        """
        ...

    def stop(self) -> None:
        """Ends it with all its processes; returns when its memory is free, in bounded time."""
        ...

    def last_lines(self) -> str:
        """What it said last."""
        ...


def start_together(servers: Sequence[Server], cancelled: threading.Event) -> None:
    """Starts all at the same time; where one fails, none is left.

    Args:
        cancelled: set by others to end the starting; also set here, for a moment, when one of them fails.

    Raises:
        InputError, EndpointError: the first failure.
    """
    errors: list[BaseException] = []

    def start(server: Server) -> None:
        try:
            server.start(cancelled)
        except BaseException as error:
            errors.append(error)
            cancelled.set()  # the others need not go on

    threads = [threading.Thread(target=start, args=(server,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        at_once([server.stop for server in servers])
        cancelled.clear()
        raise errors[0]
