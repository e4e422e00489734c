"""Who calls the servers of a role, and each of those servers with the calls that it works on."""

import time

from cowest.engines.deployment import Adapter, Deployment
from cowest.engines.server import Server


class User:
    """Somebody who calls the servers: a model with its adapter.

    Args:
        deployment: what must be served.
        adapter: on top of it; None is the full model alone.
    """

    def __init__(self, deployment: Deployment, adapter: Adapter | None) -> None:
        self.deployment = deployment
        self.adapter = adapter


class Slot:
    """A server and the calls that it works on.

    Attributes:
        server: of which each restart makes another one.
        generation: counts them.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.generation = 0
        self.num_calls = 0
        self.num_restarts = 0
        self.is_restarting = False
        self.started = time.monotonic()
