"""graded-so-far.jsonl: the annotated examples of running feedback, for the viewer only; removed at the end."""

import contextlib
import os
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
        """Appends a row; the first one replaces the file of an earlier, interrupted call."""
        with contextlib.suppress(OSError):
            if not self._has_rows:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.unlink(missing_ok=True)
            # For the user alone, as all rows are; a link in a folder that others may write is not followed.
            new_or_own = os.O_APPEND if self._has_rows else os.O_CREAT | os.O_EXCL
            descriptor = os.open(self._path, os.O_WRONLY | os.O_NOFOLLOW | new_or_own, 0o600)
            # One unbuffered write, so that a reader hardly ever sees half a line.
            with os.fdopen(descriptor, "ab", buffering=0) as file:
                file.write(with_half_pairs_escaped(runs.to_json(row)).encode() + b"\n")
            self._has_rows = True

    def remove(self) -> None:
        """Deletes the file."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
