"""One JSON value of a data file; nothing in it is lost silently."""

import json
from typing import Any

from cowest.errors import InputError


class _RepeatedKey(ValueError):
    """An object has a key twice. The standard library would keep the last value and drop the others."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedKey(next(name for name in names if names.count(name) > 1))
    return fields


DECODER = json.JSONDecoder(object_pairs_hook=_object)


def parse(text: str, location: str, position: str, hint: str = "") -> Any:
    """Parses one JSON value.

    Args:
        position: "line 3", for errors.
        hint: what to do, put at the end of an error.

    Raises:
        InputError: the text is no JSON value, or an object in it has a key twice.
    """
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise not_json(f"{location!r}, {position}, column {error.colno}", error, hint) from error
    except (ValueError, RecursionError) as error:
        raise unreadable(f"{location!r}, {position}", error) from error


def kind_of(value: Any) -> str:
    """What a JSON value is, in words: "a list"."""
    kinds = {list: "a list", dict: "an object", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else kinds.get(type(value), type(value).__name__)


def not_json(where: str, error: json.JSONDecodeError, hint: str) -> InputError:
    """The error for a text that is no JSON; `where` names file and line, `hint` says what to do."""
    excerpt = error.doc[max(0, error.pos - 20) : error.pos + 20].strip()
    return InputError(f"{where}: this is not JSON ({error.msg}). It reads: {excerpt!r}.{hint}")


def unreadable(where: str, error: Exception) -> InputError:
    """The error for JSON that cannot be read without loss; `where` names file and line."""
    if isinstance(error, _RepeatedKey):
        return InputError(
            f"{where}, field {str(error)!r}: an object has this field twice, and one value would be lost. Rename one."
        )
    if isinstance(error, RecursionError):
        return InputError(f"{where}: the JSON is nested too deeply.")
    return InputError(f"{where}: this cannot be read: {error}.")  # A whole number of thousands of digits.
