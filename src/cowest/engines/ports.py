"""Free ports on loopback for servers."""

import random
import socket
from collections.abc import Sequence

from cowest.engines.command import HOST
from cowest.errors import InputError


def free_port(ports: Sequence[int] | None) -> int:
    """A port on loopback that nobody listens at, now; another process may still take it first.

    Args:
        ports: the first and the last that may be taken; None takes any.

    Raises:
        InputError: all of them are taken.
    """
    if ports is None:
        port = _free(0)
        assert port is not None
        return port
    first, last = ports
    # In a random order, so that two runs on one machine seldom try the same one.
    for port in random.sample(range(first, last + 1), last + 1 - first):
        if _free(port) is not None:
            return port
    raise InputError(
        f"Every port of vllm.ports ({first} to {last}) is taken on this machine. Give a wider range, or leave "
        "it out to take free ones."
    )


def _free(port: int) -> int | None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return None
        return int(listener.getsockname()[1])
