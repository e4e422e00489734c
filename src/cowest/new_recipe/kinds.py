"""The kind of a task from the answers in its files: one of the row's options, one of a few labels, or free text."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cowest import metrics
from cowest.errors import InputError
from cowest.new_recipe.columns import Guess, Sample
from cowest.tasks import Row, answer_index, options_in

MAX_LABELS = 30
"""More different answers than this are taken for free text."""
MIN_REPEATS = 3
"""How often a label occurs at least, on average."""
MAX_LABEL_LENGTH = 40


def guess_kind(sample: Sample, columns: Mapping[str, Guess], given: str | None) -> Guess:
    """The kind of the task: "choice", "label" or "open"."""
    if given is not None:
        return Guess(given, "as you said")
    if "choices" in columns:
        return Guess("choice", "each row has its options")
    values = [_text(row, columns["answer"].value) for row in sample.rows]
    counts = Counter(value for value in values if value)
    short = all(len(value) <= MAX_LABEL_LENGTH for value in counts)
    if None in values or not counts:
        return Guess("open", "answers are lists, or empty")
    summary = f"{len(counts):,} different answers in {len(values):,} rows"
    if len(counts) <= MAX_LABELS and short and len(counts) * MIN_REPEATS <= len(values):
        return Guess("label", summary)
    return Guess("open", summary)


def labels_in(rows: Iterable[Row], answer: str) -> list[str]:
    """Every label of some files, the most frequent first; spellings that differ in case or a full stop are one."""
    labels: list[str] = []
    for label, _ in Counter(row.text(answer) for row in rows).most_common():
        if not metrics.accuracy(label, labels):
            labels.append(label)
    return labels


def guess_index(sample: Sample, columns: Mapping[str, Guess]) -> Guess | None:
    """What the first option's index is, where answers are indices; None where they are letters or texts.

    Raises:
        InputError: the answers could be counted from 0 or from 1.
    """
    choices, answer = columns["choices"].value, columns["answer"].value
    if all(_is_clear(row, choices, answer) for row in sample.rows):
        return None
    values = [row.text(answer).removesuffix(".0") for row in sample.rows]
    if not all(map(str.isdecimal, values)):
        return None  # some row is broken: reading the files says which
    numbers = {int(value) for value in values}
    most = max(len(options_in(row, choices)) for row in sample.rows)
    if 0 in numbers:
        return Guess(0, "the answers hold a 0")
    if most in numbers:
        return Guess(1, f"the answers go up to {most}, the number of options")
    raise InputError(
        f"The column {answer!r} holds the numbers {', '.join(map(str, sorted(numbers)))}, which could count the "
        "options from 0 or from 1. Say which: --index-from 0 or --index-from 1."
    )


def _is_clear(row: Row, choices: str | Sequence[str], answer: str) -> bool:
    try:
        answer_index(row, answer, options_in(row, choices), None)
    except InputError:
        return False
    return True


def _text(row: Row, column: str) -> str | None:
    try:
        value: Any = row.value(column)
    except InputError:
        return None
    return None if isinstance(value, list | tuple | dict) else str("" if value is None else value).strip()
