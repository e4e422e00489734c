"""Which prompt templates a thing asks for, said next to where it asks for them."""

from collections.abc import Callable
from typing import TypeVar

Thing = TypeVar("Thing")


def uses(*names: str) -> Callable[[Thing], Thing]:
    """Declares every template that a method, a kind of feedback or a judge may ask for, besides the format's own.

    A stage's folder belongs to the text of the templates that the stage can use. Of a thing that declares nothing, all
    of them count.
    """

    def declare(thing: Thing) -> Thing:
        setattr(thing, "templates", frozenset(names))  # noqa: B010  # a plain assignment has no type here
        return thing

    return declare


def templates_of(thing: object) -> frozenset[str] | None:
    """What `thing` itself declares; None where it declares nothing.

    What a class inherits does not count, nor what a wrapper took over: either may ask for more.
    """
    own = getattr(thing, "__dict__", {})
    declared = own.get("templates")
    return None if declared is None or "__wrapped__" in own else frozenset(declared)
