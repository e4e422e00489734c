"""What all tests share: no network but loopback, no model hub, one thread a worker."""

import gc
import os
import signal
import socket
import sys
from typing import Any

import hypothesis
import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts background jobs with SIGINT ignored, which the processes that tests interrupt would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("suite", deadline=None)  # an example is slow where the machine is busy
hypothesis.settings.load_profile("suite")

LOOPBACK = ("127.", "localhost", "::1")


num_modules_frozen = 0


def pytest_collection_finish() -> None:
    freeze_imports()


def pytest_runtest_logfinish() -> None:
    freeze_imports()


def freeze_imports() -> None:
    """Takes what imports made out of garbage collection, which else is half the time of a tiny training."""
    global num_modules_frozen
    if len(sys.modules) > num_modules_frozen + 100:
        gc.collect()
        gc.freeze()
        num_modules_frozen = len(sys.modules)


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
