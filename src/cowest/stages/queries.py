"""Which examples a round of feedback asks, and in which order."""

from collections.abc import Sequence
from random import Random

from cowest.types import Example


def draw(examples: Sequence[Example], count: int, seed: int, round_number: int = 1) -> list[Example]:
    """Draws `count` examples, in the order of the data; all if there are no more than that."""
    if count >= len(examples):
        return list(examples)
    chosen = sorted(Random(f"queries {seed} {round_number}").sample(range(len(examples)), count))
    return [examples[index] for index in chosen]


def shuffled(examples: Sequence[Example], seed: int, round_number: int) -> list[Example]:
    """The queries of a round that may end before the last one, so that the first ones are a sample of all."""
    return Random(f"order {seed} {round_number}").sample(examples, len(examples))
