"""What runs in the process of a rank: one training, with the environment that torch's launcher would give it."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from cowest.cluster.host import differences, versions
from cowest.errors import CowestError, InputError


class TrainingRank:
    """One rank's process.

    Args:
        expected: versions of the process that drives the run.
        num_threads: of torch, which reads the variable when it is first imported.
        host: this node's address for the other nodes.
        folder: the working folder of the process that drives the run, which relative paths are below.
    """

    def __init__(self, expected: Mapping[str, str], num_threads: int, host: str, folder: Path) -> None:
        os.environ["OMP_NUM_THREADS"] = str(num_threads)
        self._expected = dict(expected)
        self._host = host
        self._folder = folder

    def address(self) -> tuple[str, int]:
        """This host, and a port that is free.

        Raises:
            InputError: the node has other versions, or does not see the folder.
        """
        if others := differences(self._expected, versions()):
            raise InputError(f"The node {self._host} has {', '.join(others)}. Install the same versions on all nodes.")
        try:
            os.chdir(self._folder)
        except OSError as error:
            raise InputError(
                f"The node {self._host} does not see {str(self._folder)!r}, where the run was started: {error}. "
                "Training on a cluster needs the run's folder and the models at the same paths on every node."
            ) from error
        with socket.socket() as free:
            free.bind(("", 0))
            return self._host, int(free.getsockname()[1])

    def train(self, environment: Mapping[str, str], training: Callable[[], object]) -> CowestError | None:
        """Trains; an error that another process would meet too is the result."""
        os.environ.update(environment)
        try:
            training()
        except CowestError as error:
            return error
        return None
