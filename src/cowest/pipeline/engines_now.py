"""Says in the run's folder which engines run, for `show` and the viewer."""

import contextlib
import os
import platform
import threading
from pathlib import Path

from cowest.cluster import Place
from cowest.engines import Serving
from cowest.errors import CowestError
from cowest.records import RunningEngine, RunningEngines

CLUSTER = "cluster"


class EnginesNow:
    """Keeps `engines/now.json` as things are; safe to use from several threads.

    Args:
        path: the file; removed when no engine runs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._running: dict[str, RunningEngine] = {}
        self._lock = threading.Lock()

    def serving(self, serving: Serving) -> None:
        """The servers of a role have changed."""
        places = tuple(url.removeprefix("http://").removesuffix("/v1") for url in serving.urls)
        model = None if serving.model is None else str(serving.model)
        program, adapters = Path(serving.program).name, serving.adapters
        self._set(RunningEngine(what=serving.role, program=program, places=places, model=model, adapters=adapters))

    def drafting(self, places: list[Place]) -> None:
        """The engines of the cluster have changed."""
        self._set(RunningEngine(what=CLUSTER, places=tuple(map(str, places))))

    def _set(self, engine: RunningEngine) -> None:
        with self._lock:
            self._running.pop(engine.what, None)
            if engine.places:
                self._running[engine.what] = engine
            if not self._running:
                with contextlib.suppress(OSError):
                    self._path.unlink(missing_ok=True)
                return
            found = tuple(self._running[what] for what in sorted(self._running))
            with contextlib.suppress(CowestError):  # a full disk: this is for people only, and the run goes on
                RunningEngines(host=platform.node(), pid=os.getpid(), engines=found).write(self._path)
