"""The base class of tasks: examples read from files, and the scoring of an answer to one."""

import abc
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, get_args, overload

from cowest import answers, words
from cowest.errors import InputError
from cowest.tasks import _groups, _validation
from cowest.tasks._files import with_hub_split
from cowest.tasks._spool import FirstSeen, Spool
from cowest.tasks._validation import Problem, Validation
from cowest.types import Answer, Example

SplitName = Literal["train", "validation", "test"]
Overlap = Literal["refuse", "drop", "keep"]


class Split(Sequence[Example]):
    """The examples of one split, kept on disk, with the task that scores them."""

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

    def __repr__(self) -> str:
        return f"<{self.name} split of {self.task.name}, {words.plural(len(self), 'example')}>"


class Task(abc.ABC):
    """A data set with its scoring. A subclass says how to read one location and how to score one answer.

    Args:
        train, validation, test: locations of the splits (a path, `package:path` or `hub:NAME`); None where absent.

    Examples:
        >>> import cowest
        >>> class Capitals(cowest.Task):
        ...     name = "capitals"
        ...     metric = "accuracy"
        ...
        ...     def read(self, location):
        ...         yield cowest.Example(id="1", query="What is the capital of France?", references=("Paris",))
        ...
        ...     def score(self, example, answer):
        ...         return {"accuracy": float(answer.final == example.references[0])}
        >>> Capitals(test="atlas.json").test
        <test split of capitals, 1 example>
    """

    name: str
    metric: str
    """Name of the headline metric, a key of what `score` returns."""
    overlap: Overlap = "refuse"
    """What to do with a question that occurs in two splits: "refuse" the data, "drop" it from the earlier of the two
    (train before validation before test) and list it in `dropped`, or "keep" it."""

    accepts_unanswered: bool = False
    """Whether rows of the train split may have no reference, since feedback judges without one."""

    def __init__(self, *, train: str | None = None, validation: str | None = None, test: str | None = None) -> None:
        locations = {"train": train, "validation": validation, "test": test}
        self.locations = {name: with_hub_split(location, name) for name, location in locations.items()}
        self.dropped: list[Problem] = []
        self._splits: dict[str, Split] = {}

    def __repr__(self) -> str:
        given = (f"{name}={location!r}" for name, location in self.locations.items() if location is not None)
        return f"{type(self).__name__}({', '.join(given)})"

    @abc.abstractmethod
    def read(self, location: str) -> Iterable[Example]:
        """Reads the examples of one location, in the file's order.

        Raises:
            InputError: the location is missing or a row is broken; the message names file, line and field.
        """

    @abc.abstractmethod
    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        """Scores an answer: every metric by name, in [0, 1]; an answer that could not be parsed scores 0."""

    def parse(self, example: Example, text: str) -> Answer:
        """The explanation and the final answer in a reply to `example`.

        A task whose answers are labels or options overrides this to find them also where no "Answer:" stands before.
        """
        return answers.parse(text)

    def has_answer(self, example: Example, answer: Answer) -> bool:
        """Whether an answer was found; where there are labels, whether it means one."""
        if self.gold_label(example) is None:
            return answer.final is not None
        return self.label_of(example, answer) is not None

    def reference_answer(self, example: Example) -> Answer:
        """The answer that must score full marks."""
        return Answer(explanation=example.explanation or "", final=example.references[0])

    def gold_label(self, example: Example) -> str | None:
        """The right label, where answers are one of a few labels or options; else None.

        Tasks with labels get macro-F1 and a confusion table besides their own metrics.
        """
        return None

    def label_of(self, example: Example, answer: Answer) -> str | None:
        """The label that an answer means; None where it means none, which is never right and counted separately."""
        return None

    def identity(self, example: Example) -> str:
        """The text by which examples count as the same, up to case and spaces; by default the whole query."""
        return example.query

    def question_of(self, example: Example) -> str:
        """The question without context, options and instructions; it must not contain the answer."""
        return str(example.fields.get("question", example.query))

    def oracle_draft(self, example: Example) -> str | None:
        """A draft that contains all the strong model needs, for an upper bound; None where the task has none."""
        return None

    def split(self, name: str) -> Split:
        """The split `name`; its file is read once.

        Raises:
            InputError: the recipe names no location for it, it holds no example, or an id occurs twice.
        """
        if name not in self._splits:
            location = self.locations.get(name)
            if location is None:
                raise InputError(f"The {name} split is needed, but the recipe gives no task.{name}. Name its file.")
            examples = _with_unique_ids(self.read(location), location)
            may_lack_answers = self.accepts_unanswered and name == "train"
            split = Split(self, name, examples if may_lack_answers else _validation.answered(examples, location))
            if not split:
                raise InputError(f"The {name} split {location!r} holds no example. Give a file with at least one row.")
            if self.overlap == "drop":
                split = self._without_later_splits(split)
            self._splits[name] = split
        return self._splits[name]

    def overlaps(self) -> list[Problem]:
        """The examples that occur in a later split too: those of train first, then those of validation."""
        found = []
        for name in get_args(SplitName):
            for later in self._later(name):
                found += _validation.overlap(self, name, self.split(name), later, self.split(later))
        return found

    def settle_overlap(self) -> None:
        """Reads the splits and applies `overlap` to the questions that two of them share.

        Raises:
            InputError: `overlap` is "refuse" and there are such questions; the message names rows and what to do.
        """
        if self.overlap == "drop":
            for name in get_args(SplitName):
                if self.locations.get(name) is not None:
                    self.split(name)
        if self.overlap != "refuse" or not (found := self.overlaps()):
            return
        shown = "; ".join(f"row {each.row} of {each.field} {each.problem}" for each in found[:3])
        raise InputError(
            f"The splits overlap: {len(found)} rows occur in two of them ({shown}{'; ...' if len(found) > 3 else ''}). "
            "A model tested on what it was trained on looks better than it is. Write task.overlap: drop to leave the "
            "rows out of the split that is trained on, or task.overlap: keep if you mean it; `cowest doctor` names all."
        )

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
        """Checks the examples without any model.

        Every example's own reference must score full marks, also when it is written as a model writes it and parsed.
        Rows that repeat or contradict an earlier one, empty fields, and queries that contain the answer are reported.
        """
        return _validation.validate(self, split)

    def groups(self, examples: Sequence[Example]) -> list[str | None]:
        """What each example belongs to, over which intervals are; None where it stands alone.

        Its own group counts, or else its question where several examples ask it.
        """
        return _groups.grouped(self, examples)

    def describe(self) -> dict[str, Any]:
        """Name, metric and locations of the data, for the report."""
        return {"name": self.name, "metric": self.metric, **self.locations}

    def _later(self, name: str) -> list[str]:
        order = list(get_args(SplitName))
        after = order[order.index(name) + 1 :] if self.locations.get(name) is not None else []
        return [later for later in after if self.locations.get(later) is not None]

    def _without_later_splits(self, split: Split) -> Split:
        for later in self._later(split.name):
            found = _validation.overlap(self, split.name, split, later, self.split(later))
            rows = {problem.row for problem in found}
            split = Split(self, split.name, (example for example in split if example.id not in rows))
            self.dropped += found
        if not split:
            raise InputError(
                f"Every row of the {split.name} split occurs in a later split too; task.overlap: drop leaves none."
            )
        return split


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
