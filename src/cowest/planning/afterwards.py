"""The calls of `cowest gate` and `cowest audit --swaps`, which follow a run, rehearsed on samples of its examples."""

from collections.abc import Callable, Sequence

from cowest import synchronous
from cowest.auditing import WordSwap, read_pairs
from cowest.collaboration import Collaboration
from cowest.concurrency import map_in_flight
from cowest.gating import ARMS, Arm
from cowest.gating.measurement import measure
from cowest.planning.data import sample
from cowest.planning.tally import Tally
from cowest.progress import quietly
from cowest.recipe import Recipe
from cowest.stages.swaps import Asked, choose, swap_methods
from cowest.tasks import Task
from cowest.types import Completion, Example


def rehearse_gate(
    pair: Collaboration,
    task: Task,
    validation: Sequence[Example],
    test: Sequence[Example],
    tally: Tally,
    test_arms: Sequence[Arm],
) -> None:
    """Makes the calls of `cowest gate`.

    Args:
        test_arms: the arms measured on each test example.
    """
    splits: tuple[tuple[str, Sequence[Example], Sequence[Arm]], ...] = (
        ("validation", validation, ARMS),
        ("test", test, test_arms),
    )
    for name, examples, arms in splits:
        if rehearsed := sample(examples):
            tally.weight = len(examples) / len(rehearsed)
            with quietly():
                measure(name, rehearsed, pair, task, _no_price, len(rehearsed), _always(arms))


def swapped_queries(recipe: Recipe, evaluated: Sequence[Example]) -> Asked | None:
    """The queries that an audit asks with swapped words; None where the recipe names no such words.

    Raises:
        InputError: the file of words cannot be used, or no query holds one of them.
    """
    if recipe.audit.swaps is None:
        return None
    return choose(evaluated, WordSwap(read_pairs(recipe.audit.swaps)), recipe.audit.limit, recipe.seed)


def rehearse_swaps(pair: Collaboration, task: Task, asked: Asked, tally: Tally) -> None:
    """Makes the calls of `cowest audit --swaps` but for the queries as they are, which the evaluation has asked."""
    for method, once_more in swap_methods(pair, task):
        for each, examples in ((method, asked.swapped), (once_more, asked.examples)):
            if each is not None:
                rehearsed = sample(examples)
                tally.weight = len(examples) / len(rehearsed)
                synchronous.run(map_in_flight(each.predict, rehearsed, len(rehearsed)))


def _no_price(role: str, completion: Completion) -> None:
    """No price: the tally prices the tokens of rehearsed calls."""


def _always(arms: Sequence[Arm]) -> Callable[[float | None], Sequence[Arm]]:
    return lambda confidence: arms
