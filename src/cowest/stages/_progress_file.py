"""graded-so-far.jsonl: what feedback has annotated so far, for the viewer; no stage reads it, and it is removed."""

import contextlib
from pathlib import Path

from pydantic import BaseModel

from cowest import runs


class ProgressFile:
    """Rows of graded.jsonl in the order in which they are finished.

    A run goes on from its ledger alone, so a row that is lost here is only not seen: no error of this file ends it.

    Args:
        out: the folder of the stage.
    """

    def __init__(self, out: Path) -> None:
        self._path = out / runs.GRADED_SO_FAR
        self._is_begun = False

    def add(self, row: BaseModel) -> None:
        """Appends a row; the first one takes the place of what an earlier, interrupted call has left."""
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # One write without a buffer, so that a reader hardly ever meets half a line.
            with self._path.open("ab" if self._is_begun else "wb", buffering=0) as file:
                file.write(row.model_dump_json().encode() + b"\n")
            self._is_begun = True

    def remove(self) -> None:
        """Takes the file away."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
