"""The three forms of a draft; each file is one format."""

from cowest.formats.base import Format
from cowest.plugins import load

__all__ = ["Format", "load_format"]


def load_format(name: str) -> Format:
    """The format `name`: a file of this folder or `package.module:Class`.

    Raises:
        InputError: there is no such format.
    """
    loaded: Format = load(name, "cowest.formats", "format")()
    return loaded
