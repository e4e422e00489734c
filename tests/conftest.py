"""What all tests share: no network but loopback, no model hub, one thread a worker."""

import gc
import os
import socket
from typing import Any

import hypothesis
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

hypothesis.settings.register_profile("suite", deadline=None)  # an example is slow where the machine is busy
hypothesis.settings.load_profile("suite")

LOOPBACK = ("127.", "localhost", "::1")


def pytest_collection_finish() -> None:
    """Frees the garbage collector of all that imports made: it took most of the time of a tiny training."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses every connection that would leave the machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else str(address)
        if self.family != socket.AF_UNIX and not host.startswith(LOOPBACK):
            raise RuntimeError(f"a test tried to reach {host!r}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
