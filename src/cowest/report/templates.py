"""Templates of pages and cards: where they lie, and that a name which nothing is given for is an error."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def environment(folder: Path, *, autoescape: bool) -> Environment:
    """The templates of a folder.

    Args:
        autoescape: whether values are escaped as HTML.
    """
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
