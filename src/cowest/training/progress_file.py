"""Progress of a training that another process makes, through a file that both see."""

import json
from pathlib import Path

from cowest.training.progress import Progress


class ProgressFile:
    """One line of JSON a step.

    Args:
        path: written by one process and read by another.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def write(self, done: int, total: int, metrics: dict[str, float]) -> None:
        """Adds a step."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([done, total, metrics]) + "\n")

    def follow(self, progress: Progress) -> None:
        """Reports the steps that are whole and were not reported before."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                lines = file.read()
        except FileNotFoundError:
            return
        whole = lines[: lines.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            progress(*json.loads(line))

    def clear(self) -> None:
        """Removes the file."""
        self._path.unlink(missing_ok=True)
        self._read = 0
