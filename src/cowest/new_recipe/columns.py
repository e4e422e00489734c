"""What each column of a data file probably is: the question, the answer, the options, the context or an explanation."""

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from cowest.errors import InputError
from cowest.plugins import nearest
from cowest.tasks import Row

SAMPLE = 1000
"""Rows that guesses look at."""

# Words of a column's name, the surest first.
NAMES = {
    "question": "question query prompt instruction problem utterance request input text sentence frage",
    "answer": "answer answers gold label target output reference response completion solution class category verdict "
    "decision correct sentiment cop antwort",
    "choices": "options choices candidates alternatives endings",
    "context": "context passage passages document paragraph abstract background article story",
    "explanation": "explanation rationale reasoning reason exp",
}
_OF_ANSWER = ("key", "index", "idx", "letter", "text")
_OPTION_WORDS = ("option", "options", "choice", "choices", "op", "opt", "answer", "ending")
_LETTERED = re.compile(r"(?P<stem>(?:.*[\W_])?(?:options?|choices?|op|opt|answer|ending)?[\W_]*?)(?P<mark>[A-Za-z]|\d)")


class Guess(NamedTuple):
    """A value for a key of the recipe, and why."""

    value: Any
    reason: str


@dataclass(frozen=True)
class Sample:
    """The first rows of a file.

    Attributes:
        rows: at most 1,000.
        columns: the values that are not empty, by column; `a.b` where a column holds objects.
    """

    rows: Sequence[Row]
    columns: Mapping[str, Sequence[Any]]

    def require(self, column: str, key: str) -> str:
        """Returns `column`.

        Raises:
            InputError: no row has it.
        """
        if column not in self.columns:
            known = list(self.columns)
            hint = nearest(column, known)
            raise InputError(f"--{key} names the column {column!r}, which no row has.{hint} Columns: {_listed(known)}.")
        return column


def sample_of(rows: Iterable[Row], location: str) -> Sample:
    """The first rows of a file, and their columns.

    Raises:
        InputError: the file cannot be read, or holds no row.
    """
    kept = list(islice(rows, SAMPLE))
    columns: dict[str, list[Any]] = {}
    for row in kept:
        for name, value in row.fields.items():
            parts = {f"{name}.{key}": part for key, part in value.items()} if isinstance(value, dict) else {name: value}
            for path, part in parts.items():
                filled = columns.setdefault(path, [])
                if part not in (None, "", []):
                    filled.append(part)
    if not kept:
        raise InputError(f"{location!r} holds no row, so there is nothing to make a recipe for.")
    return Sample(kept, columns)


def guess_columns(sample: Sample, given: Mapping[str, Any], *, with_choices: bool = True) -> dict[str, Guess]:
    """Columns by key of the recipe (question, answer, choices, context, explanation), where there is one.

    Args:
        given: columns that the user has named.

    Raises:
        InputError: a given column does not exist, or question or answer cannot be told.
    """
    given_keys = {key for key, value in given.items() if value is not None}
    found = {
        key: Guess(_required(sample, value, key), "as you said") for key, value in given.items() if value is not None
    }
    if with_choices and "choices" not in found and (choices := _choices(sample)) is not None:
        found["choices"] = choices
    for key in ("question", "answer", "context", "explanation"):
        if key not in found and (guess := _by_name(sample, key, _taken(found))) is not None:
            found[key] = guess
    if "question" not in found and (guess := _longest(sample, _taken(found))) is not None:
        found["question"] = guess
    if "question" not in found and "context" in found and "context" not in given_keys:
        found["question"] = Guess(found.pop("context").value, "the only text beside the answer")
    if "answer" not in found and len(rest := _left(sample, _taken(found))) == 1:
        found["answer"] = Guess(rest[0], "the only column left")
    for key in ("question", "answer"):
        if key not in found:
            raise InputError(
                f"Which column holds the {key} cannot be told from the columns {_listed(sample.columns)}. Name it: "
                f"--{key} COLUMN."
            )
    return found


def _required(sample: Sample, value: Any, key: str) -> Any:
    names = value if isinstance(value, list) else [value]
    required = [sample.require(name, key) for name in names]
    return required if len(required) > 1 else required[0]


def _taken(found: Mapping[str, Guess]) -> set[str]:
    values = (guess.value for guess in found.values())
    return {name for value in values for name in (value if isinstance(value, list) else [value])}


def _left(sample: Sample, taken: set[str]) -> list[str]:
    return [name for name, values in sample.columns.items() if name not in taken and values and not _is_id(name)]


def _is_id(name: str) -> bool:
    words = _words(name)
    names_answer = bool({*words} & {*NAMES["answer"].split()})
    return (words[-1:] in (["id"], ["idx"], ["index"]) and not names_answer) or name.lower() in ("uid", "qid")


def _fits(sample: Sample, name: str, key: str) -> bool:
    """Whether a column can be what `key` takes; a context or explanation must be in every row, even if empty."""
    values = sample.columns[name]
    if key in ("context", "explanation") and any(name.partition(".")[0] not in row.fields for row in sample.rows):
        return False
    if key in ("context", "answer"):
        parts = [part for value in values for part in (value if isinstance(value, list | tuple) else [value])]
    else:
        parts = list(values)
    return not any(isinstance(part, list | tuple | dict | bytes) for part in parts)


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def _by_name(sample: Sample, key: str, taken: set[str]) -> Guess | None:
    """The column whose name is one of the key's words, or has one; of an object's parts, the one called text."""
    left = [name for name in _left(sample, taken) if _fits(sample, name, key)]
    left.sort(key=lambda name: "." in name and not name.endswith((".text", ".value")))
    known = NAMES[key].split()
    for word in known:
        for name in left:
            if _words(name) == [word] or (_words(name)[:1] == [word] and "." in name):
                return Guess(name, "by its name")
    for word in known:
        for name in left:
            # "question_type" describes a question; "user_question" is one, and "answer_key" an answer.
            words = _words(name)
            if words[-1:] == [word] or (key == "answer" and words[:1] == [word] and words[-1] in _OF_ANSWER):
                return Guess(name, f"its name has {word!r} in it")
    return None


def _longest(sample: Sample, taken: set[str]) -> Guess | None:
    lengths = {
        name: statistics.mean(len(value) for value in sample.columns[name])
        for name in _left(sample, taken)
        if all(isinstance(value, str) for value in sample.columns[name])
    }
    if not lengths:
        return None
    return Guess(max(lengths, key=lambda name: lengths[name]), "it holds the longest texts")


def _choices(sample: Sample) -> Guess | None:
    """The column with lists of options, or a family of columns such as option_a, option_b, .."""
    for word in NAMES["choices"].split():
        for name, values in sample.columns.items():
            if word in _words(name)[:1] + _words(name)[-1:] and values and all(map(_is_list, values)):
                return Guess(name, "it holds lists of options")
    families: dict[str, list[str]] = {}
    for name in sample.columns:
        if (match := _LETTERED.fullmatch(name)) is not None:
            families.setdefault(match["stem"].lower(), []).append(name)
    for stem, names in families.items():
        marks = "".join(name[-1].lower() for name in names)
        filled = all(len(sample.columns[name]) == len(sample.rows) for name in names)
        said = _words(stem)[-1:]
        is_family = said[0] in _OPTION_WORDS if said else len(names) >= 3
        in_order = marks.startswith(("ab", "12", "01")) and marks in "abcdefghij 0123456789"
        if len(names) >= 2 and is_family and filled and in_order:
            return Guess(names, "one column an option")
    return None


def _is_list(value: Any) -> bool:
    if isinstance(value, str):
        return value.lstrip().startswith("[") and value.rstrip().endswith("]")
    return isinstance(value, list | tuple) and len(value) >= 2 and not any(isinstance(each, dict) for each in value)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
