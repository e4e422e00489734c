"""Checks of the options of the `jsonl` task; each raises an InputError that names the option."""

from collections.abc import Sequence

from cowest import metrics
from cowest.errors import InputError
from cowest.plugins import nearest
from cowest.tasks._files import is_separated


def refuse_no_names(options: dict[str, object]) -> None:
    """Refuses options that are not a text, or a list of texts where one is allowed; None is accepted."""
    for option, value in options.items():
        names = value if option in ("choices", "labels") and isinstance(value, list | tuple) else [value]
        if value is not None and not all(isinstance(name, str) and name for name in names):
            takes = "text, or a list of texts" if option in ("choices", "labels") else "the name of a column"
            raise InputError(f"task.{option} takes {takes}, but got {value!r}. Put numbers and yes/no in quotes.")


def refuse_bad_delimiter(delimiter: object, locations: dict[str, str | None]) -> None:
    """Refuses a delimiter that is not one character, or that no file of the task has."""
    if delimiter is None:
        return
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise InputError(f'task.delimiter is one character, such as ";" or "\\t", but got {delimiter!r}.')
    if not any(map(is_separated, locations.values())):
        raise InputError(f"task.delimiter is {delimiter!r}, but no file of the task is .csv or .tsv. Leave it out.")


def refuse_equal_labels(labels: Sequence[str]) -> None:
    """Refuses labels that an answer could not tell apart."""
    for index, label in enumerate(labels):
        if metrics.accuracy(label, labels[:index]):
            raise InputError(
                f"task.labels holds {label!r} twice, or one that differs from it in case or a full stop only. An "
                "answer could not tell them apart."
            )


def one_of(option: str, value: str, allowed: list[str]) -> str:
    """The value, if it is one of those that are allowed."""
    if value not in allowed:
        raise InputError(
            f"task.{option} is {value!r}.{nearest(str(value), allowed)} It must be one of: {', '.join(allowed)}."
        )
    return value
