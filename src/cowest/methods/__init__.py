"""How an example gets its prediction; each file is one method, with its variants as rows of the results."""

from collections.abc import Sequence

from cowest.errors import InputError
from cowest.methods.base import Method, Setting
from cowest.plugins import load

__all__ = ["Method", "Setting", "make_methods"]


def make_methods(names: Sequence[str], setting: Setting) -> list[Method]:
    """The rows that the methods `names` stand for, in order.

    Raises:
        InputError: a method is unknown, or cannot work in this setting.
    """
    rows: list[Method] = []
    for name in names:
        rows += load(name, "cowest.methods", "method")(setting)
    if not rows:
        raise InputError("evaluate.methods is empty. Name at least one, e.g. [weak_only, strong_only, collaborate].")
    return rows
