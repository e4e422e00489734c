"""What runs in an engine's process: works that are opened at their first batch, and stay open."""

import gc
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cowest.cluster.pool import Work
from cowest.errors import CowestError, InputError

PACKAGES = ("cowest", "torch", "transformers", "peft")
"""What decides how a reply comes about, besides the model; the nodes of a cluster need the same ones."""


def versions() -> dict[str, str]:
    """Versions of Python (without its patch number) and of the packages that are installed in this process."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "none"
    return found


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """Packages whose versions differ, such as "torch 2.9.0 (here 2.8.0)".

    Builds of one version for different devices, such as 2.9.0+cpu and 2.9.0+cu128, count as equal.
    """
    return [
        f"{name} {there.get(name, 'none')} (here {version})"
        for name, version in here.items()
        if there.get(name, "none").partition("+")[0] != version.partition("+")[0]
    ]


class Host:
    """One engine's process.

    Args:
        expected: versions of the process that drives the run.
        num_threads: of torch, which reads the variable when it is first imported.
    """

    def __init__(self, expected: Mapping[str, str], num_threads: int) -> None:
        os.environ["OMP_NUM_THREADS"] = str(num_threads)
        self._expected = dict(expected)
        self._open: dict[Work[Any, Any], Callable[[Sequence[Any]], list[Any]]] = {}

    def check(self) -> None:
        """Does nothing where the engine can work.

        Raises:
            InputError: its versions are others than those of the process that drives the run.
        """
        if others := differences(self._expected, versions()):
            raise InputError(f"this node has {', '.join(others)}. Install the same versions on all nodes")

    def work(self, work: Work[Any, Any], items: Sequence[Any]) -> list[Any]:
        """Does a batch; an error that another engine would meet too is the result of its items."""
        if work not in self._open:
            try:
                self._open[work] = work.open()
            except CowestError as error:
                return [error] * len(items)
        return self._open[work](items)

    def release(self, work: Work[Any, Any] | None) -> None:
        """Frees the memory of a work; None is all of them."""
        for each in list(self._open) if work is None else [work]:
            self._open.pop(each, None)
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
