"""Folders made for a piece of work, and removed again where nothing has come into them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def made(folder: Path) -> Iterator[bool]:
    """Makes a folder with its parents; those that it had to make and that are empty at the end are removed.

    Yields:
        Whether the folder was not there.

    Raises:
        OSError: it cannot be made.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder in missing
    finally:
        with contextlib.suppress(OSError):  # it holds something
            for each in missing:
                each.rmdir()
