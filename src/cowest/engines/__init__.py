"""Servers of models that a run starts and ends: `vllm serve` or the like, one a GPU."""

from cowest.engines.config import EngineConfig
from cowest.engines.deployment import Adapter, Deployment
from cowest.engines.fleet import Fleet, default_fleet
from cowest.engines.group import Group
from cowest.engines.local import LocalServer
from cowest.engines.server import Server
from cowest.engines.serving import Serving
from cowest.engines.slots import Slot, User
from cowest.engines.version import engine_version

__all__ = [
    "Adapter",
    "Deployment",
    "EngineConfig",
    "Fleet",
    "Group",
    "LocalServer",
    "Server",
    "Serving",
    "Slot",
    "User",
    "default_fleet",
    "engine_version",
]
