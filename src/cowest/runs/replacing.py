"""Replacing a folder of finished results: the old ones stay until the new ones are whole."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path


def finished_folder(folder: Path) -> Path:
    """Where finished results are: in `folder`, or beside it after a kill between the two renames of `replacing`."""
    old = _beside(folder, "old")
    return old if old.is_dir() and not folder.exists() else folder


def replacement_of(folder: Path) -> Path | None:
    """Where new results are being written that will take the place of `folder`; None where that has not begun."""
    new = _beside(folder, "new")
    return new if new.is_dir() else None


def put_back(folder: Path) -> None:
    """Gives a finished folder its name back where a kill has come between the two renames. Hold the run's lock."""
    if (old := finished_folder(folder)) != folder:
        old.rename(folder)


@contextlib.contextmanager
def replacing(folder: Path, marker: str) -> Iterator[Path]:
    """A folder to write new results into, which takes the place of `folder` when the block ends without an error.

    Where `folder` holds no finished results, that is `folder` itself, so that what is there so far can be seen. Hold
    the run's lock, and call `put_back` first.

    Args:
        marker: the file that finished results have.
    """
    new, old = _beside(folder, "new"), _beside(folder, "old")
    for left_over in (new, old):
        shutil.rmtree(left_over, ignore_errors=True)
    if not (folder / marker).is_file():
        yield folder
        return
    try:
        yield new
        folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _beside(folder: Path, name: str) -> Path:
    return folder.with_name(f".{folder.name}-{name}")
