"""What the servers of a role serve at one moment, for people who ask what works on what."""

from pathlib import Path
from typing import NamedTuple


class Serving(NamedTuple):
    """The servers of a role.

    Attributes:
        program: that was started.
        urls: of the servers' OpenAI interfaces; empty where none runs.
        model: the folder of the full model; None where none runs.
        adapters: names that contain the hashes of their files.
    """

    role: str
    program: str
    urls: tuple[str, ...]
    model: Path | None
    adapters: tuple[str, ...]
