"""From the recipe's key to an open cluster; says what is missing where it cannot be opened."""

import importlib.util
import os

from cowest.cluster.address import AUTO
from cowest.cluster.cluster import Cluster
from cowest.errors import InputError


def open_cluster(address: str) -> Cluster:
    """Connects to a Ray cluster; starts nothing on it.

    Args:
        address: "auto", or HOST:PORT of its control plane (GCS).

    Raises:
        InputError: Ray is not installed, there is no such cluster, or it would take anybody's code.
    """
    if importlib.util.find_spec("ray") is None:
        raise InputError(
            f"cluster: {address} needs Ray, which is not installed. Run: pip install 'cowest[cluster]', on every node "
            "of the cluster; or leave cluster out to draft and train in this process."
        )
    # Ray ends a process whose control plane is gone for a minute, without running its `finally` blocks. This run sees
    # it earlier and ends with an error. Read when Ray is imported.
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "3600")
    from cowest.cluster.ray_connection import connect, disconnect
    from cowest.cluster.ray_engines import RayEngines

    found = connect(None if address == AUTO else address)
    engines = RayEngines()
    return Cluster(found, engines, engines, disconnect=disconnect)
