"""The fields of an example that are copied into the files of a run, so that the viewer can filter by them."""

from cowest.types import Example

_MAX_CHARACTERS = 80


def short_fields(example: Example) -> dict[str, str | int | float | bool]:
    """The fields with one short value, such as a subject or a year; long texts and lists are left out."""
    scalars = {name: value for name, value in example.fields.items() if isinstance(value, str | int | float | bool)}
    return {name: value for name, value in scalars.items() if len(str(value)) <= _MAX_CHARACTERS}
