"""Connecting to a Ray cluster as its driver, and refusing one that takes anybody's code."""

import os
import threading
from pathlib import Path

import ray

from cowest.cluster.reaching import is_loopback, refuse_unwritable, refuses_strangers, require_reachable
from cowest.errors import InputError
from cowest.words import first_line

_DISCONNECT_S = 10.0


def connect(address: str | None) -> str:
    """Connects this process to a cluster; it must run on one of its nodes.

    Args:
        address: HOST:PORT of the control plane; None is the cluster of this machine.

    Returns:
        The address of the control plane.

    Raises:
        InputError: it cannot be reached, or used by this user; or its port is open to others without a token.
    """
    refuse_unwritable(Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp") / "ray")
    found = find_address() if address is None else address
    require_reachable(found)
    if not is_loopback(found) and not refuses_strangers(found):
        raise InputError(
            f"The Ray cluster at {found} did not refuse a caller without a token, so that everybody who reaches its "
            "port can run code on it. Start it again with one: `ray get-auth-token --generate` once, the file "
            "~/.ray/auth_token on every node, and RAY_AUTH_MODE=token in the environment of every `ray start` and of "
            "this command."
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


def _init(address: str) -> None:
    from ray._private import worker

    # Ray prints the last words of processes that died, by the page and to stdout, where `--json` has its document.
    worker.print_to_stdstream = lambda data, ignore_prefix: None
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = first_line(error)
        raise InputError(
            f"The Ray cluster at {address} cannot be used: {reason} Run on a node of it (`ray start --head`, or "
            "`ray start --address=HOST:PORT`), or send the run there: ray job submit -- cowest run RECIPE."
        ) from error
