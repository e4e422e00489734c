"""What is checked of a cluster before this process connects to it: its port, who it takes code from, and its folder."""

import functools
import ipaddress
import os
import socket
import subprocess
import sys
from pathlib import Path

from cowest.errors import InputError

_REACH_S = 10.0
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
            f"Nothing answers at {address}, where the recipe's cluster should be: {error}. Start it with "
            "`ray start --head`, or give the address that `ray status` shows on its head."
        ) from error


@functools.cache
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
