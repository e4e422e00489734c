"""All servers of a run, by role; ended with it."""

import functools
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

from cowest.engines.config import EngineConfig
from cowest.engines.group import Group
from cowest.engines.serving import Serving


class Fleet:
    """The servers that this process has started, one group for each role.

    Args:
        logs: the folder for their output; it is made when a server starts.
        tell: called when servers of a role have started, ended, or got another adapter.
    """

    def __init__(self, logs: Path, tell: Callable[[Serving], None] = lambda serving: None) -> None:
        self.logs = logs
        self._tell = tell
        self._groups: dict[str, Group] = {}
        self._all: list[Group] = []
        self._lock = threading.Lock()
        # Runs when the process ends, too. Where it does not come to that, the watchers end the servers.
        weakref.finalize(self, _stop, self._all)

    def group(self, role: str, config: EngineConfig) -> Group:
        """The group of a role; one with other settings takes the place of the one before, whose servers end."""
        with self._lock:
            known = self._groups.get(role)
            if known is not None and known.config == config:
                return known
            if known is not None:
                known.stop()
            group = self._groups[role] = Group(config, role, self.logs)
            group.tell = self._tell
            self._all.append(group)
            return group

    def stop(self) -> None:
        """Ends every server, so that its memory is free; a later call starts it again."""
        _stop(self._all)


@functools.cache
def default_fleet() -> Fleet:
    """The servers of models that belong to no run, such as those opened from Python."""
    return Fleet(Path(tempfile.mkdtemp(prefix="cowest-engines-")))


def _stop(groups: list[Group]) -> None:
    for group in list(groups):
        group.stop()
