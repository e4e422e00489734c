"""Asks the control plane for its nodes again and again, in a thread of its own, since an answer may never come."""

import threading
from collections.abc import Callable

from cowest.cluster.places import Node

PERIOD_S = 1.0


class NodeWatch:
    """Calls `tell` with the nodes of each answer. No answer is no call, so the listener sees how long ago the last was.

    Args:
        ask: for the nodes that are alive.
        tell: is called in the thread of the watch.
    """

    def __init__(self, ask: Callable[[], list[Node]], tell: Callable[[list[Node]], None]) -> None:
        self._ask = ask
        self._tell = tell
        self._ended = threading.Event()
        # A daemon: where the control plane is gone the question may block for ever.
        threading.Thread(target=self._loop, name="nodes of the cluster", daemon=True).start()

    def end(self) -> None:
        """Asks no more; an answer that is under way is still told."""
        self._ended.set()

    def _loop(self) -> None:
        while not self._ended.is_set():
            try:
                nodes = self._ask()
            except Exception:
                nodes = None
            if nodes is not None:
                self._tell(nodes)
            self._ended.wait(PERIOD_S)
