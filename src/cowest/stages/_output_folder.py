"""The folder that a training writes to."""

from pathlib import Path

from cowest.errors import InputError


def make_output_folder(folder: Path) -> None:
    """Creates the folder.

    Raises:
        InputError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The output folder {str(folder)!r} cannot be made: {error}. Name another.") from error
