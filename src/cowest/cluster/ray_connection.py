"""Connecting to a Ray cluster as its driver, and refusing one that takes anybody's code."""

import ipaddress
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import ray

from cowest.errors import InputError

_REACH_S = 10.0
_DISCONNECT_S = 10.0
_KNOCK_S = 120.0

_KNOCK = """
import sys
from ray._raylet import GcsClient
from ray.exceptions import AuthenticationError
try:
    GcsClient(address=sys.argv[1]).get_all_node_info(timeout=60)
except AuthenticationError:
    print("refused")
"""


def connect(address: str | None) -> str:
    """Connects this process to a cluster; it must run on one of its nodes.

    Args:
        address: HOST:PORT of the control plane; None is the cluster of this machine.

    Returns:
        The address of the control plane.

    Raises:
        InputError: it cannot be reached, or used by this user; or its port is open to others without a token.
    """
    refuse_unwritable(Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray")
    found = find_address() if address is None else address
    require_reachable(found)
    if not is_loopback(found) and not refuses_strangers(found):
        raise InputError(
            f"The Ray cluster at {found} did not refuse a caller without a token, so that everybody who reaches its "
            "port can run code on it. Start it again with one: `ray get-auth-token --generate` once, the file ~/.ray/auth_token on every node, and "
            "RAY_AUTH_MODE=token in the environment of every `ray start` and of this command."
        )
    if not ray.is_initialized():
        _init(found)
    return str(ray.get_runtime_context().gcs_address)


def disconnect() -> None:
    """Leaves the cluster; waits only a while, since a control plane that is gone never answers."""
    leaving = threading.Thread(target=ray.shutdown, daemon=True)
    leaving.start()
    leaving.join(_DISCONNECT_S)


def find_address() -> str:
    """The control plane of the cluster that this machine is a node of.

    Raises:
        InputError: there is none, or more than one.
    """
    from ray._private.services import canonicalize_bootstrap_address_or_die

    try:
        return str(canonicalize_bootstrap_address_or_die("auto"))
    except ConnectionError as error:
        raise InputError(
            f"cluster: auto is the Ray cluster that this machine is a node of. {error} Start one: ray start --head."
        ) from error


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches HOST:PORT."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_reachable(address: str) -> None:
    """Checks that something listens at HOST:PORT.

    Raises:
        InputError: nothing does.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH_S).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"Nothing answers at {address}, where the recipe's cluster should be: {error}. Start it (ray start --head), "
            "or give the address that `ray status` shows on its head."
        ) from error


def refuses_strangers(address: str) -> bool:
    """Whether a control plane refuses somebody who has no token: asked in a process without one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    environment["RAY_AUTH_MODE"] = "disabled"
    command = [sys.executable, "-c", _KNOCK, address]
    try:
        asked = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_KNOCK_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return "refused" in asked.stdout


def refuse_unwritable(folder: Path) -> None:
    """Checks that Ray can write its sessions.

    Raises:
        InputError: the folder belongs to another user of this machine.
    """
    if folder.exists() and not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise InputError(
            f"Ray keeps its sessions in {str(folder)!r}, which this user cannot write: another user of this machine "
            "has started a cluster. Run as that user, or start a cluster of your own with RAY_TMPDIR=FOLDER in its "
            "environment and in that of this command."
        )


def _init(address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise InputError(
            f"The Ray cluster at {address} cannot be used: {reason} Run on a node of it (`ray start --head`, or "
            "`ray start --address=HOST:PORT`), or send the run there: ray job submit -- cowest run RECIPE."
        ) from error
