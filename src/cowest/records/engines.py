"""engines/now.json: the engines that a run has started and that run now; there is no file where none does."""

from pydantic import Field

from cowest.records.base import Document, Part


class RunningEngine(Part):
    """Engines that do the same.

    Attributes:
        what: the role that they answer for, or "cluster".
        program: that was started; None on a cluster.
        places: addresses of servers, or nodes and GPUs of a cluster.
        model: the folder of what is served; None on a cluster, which drafts for every local model.
        adapters: names that contain the hashes of their files.
    """

    what: str
    program: str | None = None
    places: tuple[str, ...]
    model: str | None = None
    adapters: tuple[str, ...] = ()


class RunningEngines(Document):
    """All of a run.

    Attributes:
        host, pid: of the process that drives the run. What it said is old where that process is no more.
    """

    host: str
    pid: int = Field(gt=0)
    engines: tuple[RunningEngine, ...]
