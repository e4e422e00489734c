"""The methods that answer examples; each file is one method, whose variants are rows of the results."""

from collections.abc import Callable, Sequence

from cowest.errors import InputError
from cowest.methods._final_answer import final_answer
from cowest.methods._options import MethodOptions
from cowest.methods.base import Method, Prepared, Setting
from cowest.plugins import load

__all__ = ["Method", "MethodOptions", "Prepared", "Setting", "final_answer", "find_methods", "make_methods"]


def find_methods(names: Sequence[str]) -> list[Callable[[Setting], list[Method]]]:
    """The factories of the methods `names`, without calling them.

    Raises:
        InputError: a method is unknown, or none is named.
    """
    if not names:
        raise InputError("evaluate.methods is empty. Name at least one, e.g. [weak_only, strong_only, collaborate].")
    return [load(name, "cowest.methods", "method") for name in names]


def make_methods(names: Sequence[str], setting: Setting) -> list[Method]:
    """The rows of the methods `names`, in order.

    Raises:
        InputError: a method is unknown, none is named, or one cannot be used in this setting.
    """
    return [row for make_rows in find_methods(names) for row in make_rows(setting)]
