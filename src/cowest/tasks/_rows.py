"""One row of a data file: its fields, read with checks, and its position, for errors."""

import math
from dataclasses import dataclass
from typing import Any

from cowest.errors import InputError
from cowest.plugins import nearest
from cowest.tasks._spool import FirstSeen


@dataclass(frozen=True)
class Row:
    """A row as its file holds it.

    Attributes:
        location: the file as the recipe names it.
        position: "line 3" in files of lines, "row 3" elsewhere, from 1; "entry 'KEY'" where rows have keys.
        fields: the values by column.
    """

    location: str
    position: str
    fields: dict[str, Any]

    def error(self, field: str, problem: str) -> InputError:
        """An error that names file, row and field; `problem` says what is wrong and what to do."""
        return InputError(f"{self.location!r}, {self.position}, field {field!r}: {problem}")

    def value(self, field: str) -> Any:
        """The value of `field`; `a.b` reaches into an object. None where it is null or NaN.

        Raises:
            InputError: there is no such field.
        """
        if field in self.fields:
            return _null_if_nan(self.fields[field])
        value: Any = self.fields
        for part in field.split("."):
            if not isinstance(value, dict) or part not in value:
                known = [str(name) for name in self.fields]
                raise self.error(
                    field,
                    f"the row has no such field.{nearest(field, known)} Its fields: {', '.join(known) or 'none'}.",
                )
            value = value[part]
        return _null_if_nan(value)

    def text(self, field: str) -> str:
        """The value of `field` as text that is not empty; numbers and booleans are written out.

        Raises:
            InputError: the field is missing, null, empty, or a list or object.
        """
        text = self.optional_text(field)
        if text is None:
            raise self.error(field, "the value is null or empty. Fill it in, or take the row out of the file.")
        return text

    def optional_text(self, field: str) -> str | None:
        """Like `text`, but None where the value is null or empty."""
        value = self.value(field)
        if isinstance(value, (list, dict)):
            raise self.error(field, f"text is needed, but the value is {type(value).__name__} {str(value)[:60]!r}.")
        return self._written(field, value)

    def is_blank(self, field: str) -> bool:
        """Whether the row has no value for `field`: no such field, or null, or an empty text or list."""
        try:
            value = self.value(field)
        except InputError:
            return True
        if isinstance(value, str):
            return not value.strip()
        return value is None or value in ([], ())

    def texts(self, field: str) -> tuple[str, ...]:
        """The value of `field` as one text or a list of texts, none of them empty.

        Raises:
            InputError: the field is missing, null or empty, or an entry is.
        """
        value = self.value(field)
        if not isinstance(value, (list, tuple)):
            return (self.text(field),)
        texts = tuple(self._written(field, _null_if_nan(entry)) for entry in value)
        kept = tuple(text for text in texts if text is not None)
        if not kept or len(kept) < len(texts) or any(isinstance(entry, (list, dict)) for entry in value):
            raise self.error(
                field, f"the list {str(value)[:60]!r} is empty or holds an entry that is no text. Fill it in."
            )
        return kept

    def _written(self, field: str, value: Any) -> str | None:
        if isinstance(value, bytes):
            raise self.error(field, "the value is bytes, not text. Write the column as UTF-8 text.")
        text = "" if value is None else str(value).strip()
        if isinstance(value, float) and math.isinf(value):
            raise self.error(field, "the value is the number infinity. Where the word is meant, put it in quotes.")
        return text or None


class UniqueIds:
    """Refuses a second row with the same id, naming both; memory does not grow with the file."""

    def __init__(self) -> None:
        self._seen = FirstSeen()

    def add(self, row: Row, field: str, identifier: str) -> str:
        """Returns `identifier`.

        Raises:
            InputError: an earlier row has it.
        """
        earlier = self._seen.earlier(identifier, row.position)
        if earlier is not None:
            raise row.error(field, f"the id {identifier!r} is already that of {earlier}. Ids must be unique in a file.")
        return identifier


def _null_if_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
