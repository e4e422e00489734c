"""Replacing a folder of finished results: the old ones stay until the new ones are whole."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(folder: Path, marker: str) -> Iterator[Path]:
    """A folder to write new results into, which takes the place of `folder` when the block ends without an error.

    Where `folder` holds no finished results, that is `folder` itself, so that what is there so far can be seen. Hold
    the run's lock: a kill between the two renames at the end leaves the old folder under another name, and the next
    call puts it back.

    Args:
        marker: the file that finished results have.
    """
    new, old = (folder.with_name(f".{folder.name}-{name}") for name in ("new", "old"))
    if old.exists() and not folder.exists():
        old.rename(folder)
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
