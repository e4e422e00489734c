"""The draft of a recipe: every key of its task with the reason for its value, tried on the whole files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from cowest.errors import InputError
from cowest.new_recipe.columns import Guess, Sample, guess_columns, sample_of
from cowest.new_recipe.kinds import guess_index, guess_kind, labels_in
from cowest.new_recipe.tables import how_written
from cowest.tasks import Row, load_task, read_rows
from cowest.tasks.base import SplitName

DEFAULT_WEAK = "local/meta-llama/Meta-Llama-3-8B-Instruct"
DEFAULT_STRONG = "openai/gpt-4.1"
GIVEN = "as you said"


@dataclass(frozen=True)
class Wishes:
    """What a user says about the recipe; None is left to a guess.

    Attributes:
        train, validation, test: data files; without a test file, a fifth of the questions of train is split off.
        choices: the column with lists of options, or one column an option.
        base_url, weak_url: endpoints of the strong and of the weak model.
    """

    train: str
    out: Path
    validation: str | None = None
    test: str | None = None
    question: str | None = None
    answer: str | None = None
    kind: str | None = None
    choices: list[str] | None = None
    index_from: int | None = None
    context: str | None = None
    explanation: str | None = None
    group: str | None = None
    weak: str = DEFAULT_WEAK
    strong: str = DEFAULT_STRONG
    base_url: str | None = None
    weak_url: str | None = None

    @property
    def locations(self) -> dict[str, str]:
        """The given files by split."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: location for split, location in named.items() if location}


@dataclass(frozen=True)
class Draft:
    """A recipe's task, tried on the whole files.

    Attributes:
        task: the keys below `task` but for its files, each with its reason.
        columns: of the training file.
        num_rows: by split.
    """

    wishes: Wishes
    task: dict[str, Guess]
    columns: list[str]
    num_rows: dict[str, int]

    @property
    def unused(self) -> list[str]:
        """Columns that the recipe does not use."""
        values = [guess.value for key, guess in self.task.items() if key not in ("kind", "labels", "overlap")]
        used = {name for value in values for name in (value if isinstance(value, list) else [value])}
        return [name for name in self.columns if name not in used]

    @property
    def options(self) -> dict[str, Any]:
        """The task's options."""
        return {key: guess.value for key, guess in self.task.items()}

    def rows(self, split: str) -> Iterator[Row]:
        """The rows of a split's file."""
        return read_rows(self.wishes.locations[split], **_reading(self.task))


def make_draft(wishes: Wishes) -> Draft:
    """Guesses what the user did not say, and reads the files with it.

    Raises:
        InputError: a file cannot be read, a guess is impossible, or a row is broken; the message says what to do.
    """
    task = _one_way_of_writing(wishes)
    sample = sample_of(read_rows(wishes.train, **_reading(task)), wishes.train)
    given = {key: getattr(wishes, key) for key in ("question", "answer", "choices", "context", "explanation", "group")}
    if wishes.kind not in (None, "choice"):
        given["choices"] = None
    columns = guess_columns(sample, given, with_choices=wishes.kind in (None, "choice"))
    columns["kind"] = guess_kind(sample, columns, wishes.kind)
    task = _in_order(columns) | task
    if columns["kind"].value == "choice":
        index = Guess(wishes.index_from, GIVEN) if wishes.index_from is not None else _index(sample, columns)
        task |= {"index_from": index} if index else {}
    if columns["kind"].value == "label":
        rows = (row for location in wishes.locations.values() for row in read_rows(location, **_reading(task)))
        task["labels"] = Guess(labels_in(rows, columns["answer"].value), "every value in the files")
    return _tried(wishes, task, list(sample.columns))


def _index(sample: Sample, columns: dict[str, Guess]) -> Guess | None:
    if "choices" not in columns:
        raise InputError("--kind choice needs the options: --choices COLUMN, or one column an option: --choices A B C.")
    return guess_index(sample, columns)


def _one_way_of_writing(wishes: Wishes) -> dict[str, Guess]:
    """Delimiter and encoding, which are the same for all files of a task."""
    ways = {location: how_written(location) for location in wishes.locations.values()}
    values = [{key: guess.value for key, guess in way.items()} for way in ways.values()]
    if any(value != values[0] for value in values):
        each = zip(ways, values, strict=True)
        described = "; ".join(f"{location!r}: {value or 'as usual'}" for location, value in each)
        raise InputError(f"The files are not written in the same way ({described}). Save them alike.")
    return dict(ways[wishes.train])


def _reading(task: dict[str, Guess]) -> dict[str, Any]:
    return {key: task[key].value for key in ("delimiter", "encoding") if key in task}


def _in_order(columns: dict[str, Guess]) -> dict[str, Guess]:
    order = ("question", "answer", "kind", "choices", "context", "explanation", "group")
    return {key: columns[key] for key in order if key in columns}


def _tried(wishes: Wishes, task: dict[str, Guess], columns: list[str]) -> Draft:
    """Reads every row; a guessed column that is broken is left out where the task can do without it."""
    options = {key: guess.value for key, guess in task.items()}
    opened = load_task("jsonl", overlap="keep", **wishes.locations, **options)
    try:
        num_rows = {name: len(opened.split(name)) for name in get_args(SplitName) if wishes.locations.get(name)}
    except InputError:
        for key in ("explanation", "context"):
            if key in task and task[key].reason != GIVEN:
                return _tried(wishes, {name: guess for name, guess in task.items() if name != key}, columns)
        raise
    if shared := opened.overlaps():
        load_task("jsonl", overlap="drop", **wishes.locations, **options).settle_overlap()
        reason = f"{len(shared):,} rows are in two files: they are left out of the one that is trained on"
        task = task | {"overlap": Guess("drop", reason)}
    return Draft(wishes, task, columns, num_rows)
