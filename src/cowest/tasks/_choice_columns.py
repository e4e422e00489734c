"""Multiple choice from the columns of a row: which options it has, and which of them is right."""

import json
from collections.abc import Sequence

from cowest.tasks import _choices
from cowest.tasks._rows import Row


def options_in(row: Row, choices: str | Sequence[str]) -> tuple[str, ...]:
    """The options of a row.

    Args:
        choices: the column with the list of options, or one column an option.

    Raises:
        InputError: a column is missing or empty, or there are too few or too many options.
    """
    if not isinstance(choices, str):
        options, field = tuple(row.text(column) for column in choices), ", ".join(choices)
    else:
        options, field = _listed(row, choices), choices
    if not 2 <= len(options) <= len(_choices.LETTERS):
        raise row.error(field, f"a choice needs 2 to {len(_choices.LETTERS)} options, but there are {len(options)}.")
    return options


def answer_index(row: Row, field: str, options: Sequence[str], index_from: int | None) -> int:
    """The index, from 0, of the right option.

    Args:
        field: the column with the answer.
        index_from: what the first option's index is in that column; None where it holds letters or texts.

    Raises:
        InputError: the value is no option, or could be more than one.
    """
    text = row.text(field)
    listed = _choices.render(options).replace("\n", " ")
    if index_from is not None:
        position = text.removesuffix(".0")
        index = int(position) - index_from if position.lstrip("-").isdecimal() else -1
        if not 0 <= index < len(options):
            last = index_from + len(options) - 1
            problem = f"{text!r} is no index from {index_from} to {last} (task.index_from is {index_from})."
            raise row.error(field, problem)
        return index
    found = _choices.find(text, options)
    if found is None:
        raise row.error(
            field,
            f"{text!r} is not, or not clearly, one of the options {listed}. Give an option's letter or text, or "
            "its index and say task.index_from: 0 or 1.",
        )
    return found


def _listed(row: Row, field: str) -> tuple[str, ...]:
    value = row.value(field)
    if not isinstance(value, str):
        return row.texts(field)
    # A CSV cell cannot hold a list, so it holds one written as JSON.
    try:
        entries = json.loads(value)
    except json.JSONDecodeError:
        entries = None
    if not isinstance(entries, list):
        problem = f"the options must be a list (in CSV: a JSON list, or one column an option), but got {value[:60]!r}."
        raise row.error(field, problem)
    return Row(row.location, row.position, {field: entries}).texts(field)
