"""Which examples belong together: those of one group, and those that ask the same."""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from cowest.tasks._validation import digest
from cowest.types import Example


class Identifying(Protocol):
    """What is needed of a task."""

    def identity(self, example: Example) -> str: ...


def grouped(task: Identifying, examples: Sequence[Example]) -> list[str | None]:
    """The group of each example: its own, or else its question where several examples ask it; None for the others."""
    asked = [f"question {digest(task.identity(example)):016x}" for example in examples]
    counted = Counter(asked)
    return [
        example.group if example.group is not None else question if counted[question] > 1 else None
        for example, question in zip(examples, asked, strict=True)
    ]
