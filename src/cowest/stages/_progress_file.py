"""graded-so-far.jsonl: the annotated examples of running feedback, for the viewer only; removed at the end."""

import contextlib
from pathlib import Path

from pydantic import BaseModel

from cowest import runs
from cowest.characters import with_half_pairs_escaped


class ProgressFile:
    """Rows of graded.jsonl in the order in which they finish.

    A run resumes from its ledger alone and only the viewer misses a lost row, so errors of this file are ignored.

    Args:
        out: the folder of the stage.
    """

    def __init__(self, out: Path) -> None:
        self._path = out / runs.GRADED_SO_FAR
        self._has_rows = False

    def add(self, row: BaseModel) -> None:
        """Appends a row; the first one replaces the rows of an earlier, interrupted call."""
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # One unbuffered write, so that a reader hardly ever sees half a line.
            with self._path.open("ab" if self._has_rows else "wb", buffering=0) as file:
                file.write(with_half_pairs_escaped(runs.to_json(row)).encode() + b"\n")
            self._has_rows = True

    def remove(self) -> None:
        """Deletes the file."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
