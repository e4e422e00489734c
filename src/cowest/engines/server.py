"""What a run needs of a server, wherever that is."""

import threading
from typing import Protocol

from cowest.engines.deployment import Adapter


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
