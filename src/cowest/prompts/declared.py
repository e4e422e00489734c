"""Which prompt templates a method, an annotator or a judge asks for, declared next to where it asks for them."""

from collections.abc import Callable
from typing import TypeVar

Thing = TypeVar("Thing", bound=Callable[..., object])

# By id, since a declaration is of one class or function and of nothing that equals it, inherits from it or wraps it.
# The object is kept too, so that its id is not given to another.
_declared: dict[int, tuple[object, frozenset[str]]] = {}


def uses(*names: str) -> Callable[[Thing], Thing]:
    """Declares every template that a method, a kind of feedback or a judge may ask for, besides the format's own.

    A stage's folder belongs to the text of the templates that the stage can use. Where something declares nothing, all
    templates count.
    """

    def declare(thing: Thing) -> Thing:
        _declared[id(thing)] = (thing, frozenset(names))
        return thing

    return declare


def templates_of(thing: object) -> frozenset[str] | None:
    """What `thing` itself declares; None where it declares nothing.

    What a class inherits does not count, nor what a wrapper's function declares: either may ask for more.
    """
    found = _declared.get(id(thing))
    return None if found is None else found[1]
