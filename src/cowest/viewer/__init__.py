"""The local page of one or more runs: every example, searched, filtered, compared; read-only."""

from cowest.viewer.library import Library
from cowest.viewer.server import make_server

__all__ = ["Library", "make_server"]
