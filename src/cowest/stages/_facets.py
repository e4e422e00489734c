"""What of an example's fields goes into the files of a run, so that a person can filter by it."""

from cowest.types import Example

_MOST_CHARACTERS = 80


def short_fields(example: Example) -> dict[str, str | int | float | bool]:
    """The fields that are one short value, such as a subject or a year; texts and lists stay in the data."""
    plain = {name: value for name, value in example.fields.items() if isinstance(value, str | int | float | bool)}
    return {name: value for name, value in plain.items() if len(str(value)) <= _MOST_CHARACTERS}
