"""What a task is: examples from files, and how an answer to one is scored."""

import abc
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, overload

from pydantic import BaseModel

from cowest.errors import InputError
from cowest.tasks._spool import FirstSeen, Spool
from cowest.types import Answer, Example

SplitName = Literal["train", "validation", "test"]


class Problem(BaseModel):
    """One thing that is wrong with the data."""

    row: str
    field: str
    problem: str


class Validation(BaseModel):
    """What `Task.validate` found.

    Attributes:
        num_gold_full: examples whose own reference scores full marks, without any model.
    """

    num_examples: int
    num_gold_full: int
    problems: list[Problem]


class Split(Sequence[Example]):
    """The examples of one part of a task's data, kept on disk; remembers the task, so that stages can score."""

    def __init__(self, task: "Task", name: str, examples: Iterable[Example]) -> None:
        self.task = task
        self.name = name
        self._examples = examples if isinstance(examples, Spool) else Spool(examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> "Split": ...
    def __getitem__(self, index: int | slice) -> "Example | Split":
        if isinstance(index, slice):
            return Split(self.task, self.name, self._examples[index])
        return self._examples[index]

    def __len__(self) -> int:
        return len(self._examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self._examples)


class Task(abc.ABC):
    """A data set with its scoring. A subclass says how to read one location and how to score one answer.

    Args:
        train, validation, test: locations of the splits (a path, `package:path` or `hub:NAME`); None where absent.
    """

    name: str
    metric: str
    """Name of the headline metric, a key of what `score` returns."""

    def __init__(self, *, train: str | None = None, validation: str | None = None, test: str | None = None) -> None:
        self.locations: dict[str, str | None] = {"train": train, "validation": validation, "test": test}
        self._splits: dict[str, Split] = {}

    @abc.abstractmethod
    def read(self, location: str) -> Iterable[Example]:
        """Reads the examples of one location, in the file's order.

        Raises:
            InputError: the location is missing or a row is broken; the message names file, line and field.
        """

    @abc.abstractmethod
    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        """Scores an answer: every metric by name, in [0, 1]; an answer that could not be parsed scores 0."""

    def reference_answer(self, example: Example) -> Answer:
        """The answer that must score full marks."""
        return Answer(explanation=example.explanation or "", final=example.references[0])

    def oracle_draft(self, example: Example) -> str | None:
        """A draft with everything the strong model needs, for the ceiling; None where the task knows none."""
        return None

    def split(self, name: str) -> Split:
        """The split `name`, read once.

        Raises:
            InputError: the recipe names no location for it, or it holds no example, or an id occurs twice.
        """
        if name not in self._splits:
            location = self.locations.get(name)
            if location is None:
                raise InputError(f"The {name} split is needed, but the recipe gives no task.{name}. Name its file.")
            split = Split(self, name, _with_unique_ids(self.read(location), location))
            if not split:
                raise InputError(f"The {name} split {location!r} holds no example. Give a file with at least one row.")
            self._splits[name] = split
        return self._splits[name]

    @property
    def train(self) -> Split:
        """The training split."""
        return self.split("train")

    @property
    def validation(self) -> Split:
        """The validation split."""
        return self.split("validation")

    @property
    def test(self) -> Split:
        """The test split."""
        return self.split("test")

    def validate(self, split: Sequence[Example]) -> Validation:
        """Checks, without any model, that every example's own reference scores full marks."""
        problems = [
            Problem(row=example.id, field="references", problem="the reference itself does not score full marks")
            for example in split
            if self.score(example, self.reference_answer(example))[self.metric] < 1.0
        ]
        return Validation(num_examples=len(split), num_gold_full=len(split) - len(problems), problems=problems)

    def describe(self) -> dict[str, Any]:
        """What the task is, for the report: name, metric and where the data came from."""
        return {"name": self.name, "metric": self.metric, **self.locations}


def _with_unique_ids(examples: Iterable[Example], location: str) -> Iterator[Example]:
    seen = FirstSeen()
    for number, example in enumerate(examples, start=1):
        earlier = seen.earlier(example.id, f"example {number}")
        if earlier is not None:
            raise InputError(
                f"{location!r}: {earlier} and example {number} both have the id {example.id!r}. Ids must be unique "
                "within a split."
            )
        yield example
