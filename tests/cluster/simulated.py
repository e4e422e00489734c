"""A Ray cluster of several nodes on this machine, whose parts can be killed."""

import contextlib
import os
import signal
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TOKEN = "a-token-for-tests-only-0123456789abcdef"


class Simulated:
    """A head without engines, and nodes of one CPU each. In the main thread only, which Ray asks for.

    Args:
        token: that the cluster asks for; None is an open cluster.

    Attributes:
        environment: of a process that may use the cluster.
        address: of the control plane.
    """

    def __init__(self, num_nodes: int, token: str | None = TOKEN) -> None:
        self._num_nodes = num_nodes
        self._before = dict(os.environ)
        settings = (
            {"RAY_AUTH_MODE": "disabled"} if token is None else {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
        )
        self.environment = self._before | settings
        self._settings = settings | {"RAY_raylet_start_wait_time_s": "200"}
        self._nodes: list[Any] = []
        self._orphans: list[int] = []

    def __enter__(self) -> Self:
        os.environ.update(self._settings)
        from ray._raylet import Config
        from ray.cluster_utils import Cluster

        Config.initialize("")  # Ray reads its environment once
        # What engines need nothing of; each would take seconds of processor time to start.
        head = {"num_cpus": 0, "include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
        self._cluster = Cluster(initialize_head=True, head_node_args=head | _free_ports())
        self.address: str = self._cluster.address
        for _ in range(self._num_nodes):
            self.add_node()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster.shutdown()
        for process in self._orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        os.environ.clear()
        os.environ.update(self._before)

    def add_node(self) -> None:
        self._nodes.append(self._cluster.add_node(num_cpus=1, include_log_monitor=False, **_free_ports()))

    def kill_node(self) -> None:
        """Kills the last node with all that runs on it."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def kill_control_plane(self) -> None:
        for node in self._cluster.list_all_nodes():
            raylet = node.all_processes["raylet"][0].process.pid
            children = Path(f"/proc/{raylet}/task/{raylet}/children").read_text(encoding="utf-8")
            self._orphans += map(int, children.split())  # they outlive the raylets, which end without it
        self._cluster.head_node.kill_gcs_server()

    def engines(self) -> list[int]:
        """The processes of engines that are alive, on all nodes."""
        return actors("Host")


def actors(kind: str) -> list[int]:
    """The processes of Ray's actors of a class that are alive, on all nodes of this machine."""
    name = f"ray::{kind}".encode()
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _runs(name, entry)]


def _runs(name: bytes, process: Path) -> bool:
    try:
        return name in (process / "cmdline").read_bytes()
    except OSError:
        return False


def _free_ports() -> dict[str, int]:
    """Ports for what runs on a node, so that Ray need not wait for each to choose its own."""
    names = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
    sockets = [socket.socket() for _ in names]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in zip(names, sockets, strict=True)}
    finally:
        for each in sockets:
            each.close()
