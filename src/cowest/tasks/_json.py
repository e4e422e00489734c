"""JSON of data files: one line, or the rows of a whole document as a stream. Nothing in them is lost silently.

Both go through the standard library's decoder, so a row reads the same in .jsonl and .json. Other streaming parsers
were tried: they write "?" for half a surrogate pair, refuse long numbers and cannot say the line of a fault.
"""

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from cowest.errors import InputError
from cowest.tasks._spool import FirstSeen

MAX_ROW_MIB = 64
MAX_ROW = MAX_ROW_MIB * 2**20
"""Bytes of a line, characters of a row in a document. A longer one is taken for a file of another shape."""

_CHUNK = 2**18
# A value that is cut off where the buffer ends fails this close to the end ("-Infinity", "\ud83d\ude00").
_MARGIN = 16
_SPACE = re.compile(r"[ \t\n\r]*")


class _RepeatedKey(ValueError):
    """An object has a key twice. The standard library would keep the last value and drop the others."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedKey(next(name for name in names if names.count(name) > 1))
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def parse(text: str, location: str, position: str, hint: str = "") -> Any:
    """Parses one JSON value.

    Args:
        position: "line 3", for errors.
        hint: what to do, put at the end of an error.

    Raises:
        InputError: the text is no JSON value, or an object in it has a key twice.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _not_json(f"{location!r}, {position}, column {error.colno}", error, hint) from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"{location!r}, {position}", error) from error


def list_rows(location: str, stream: io.BufferedIOBase) -> Iterator[tuple[str, Any]]:
    """Reads the entries of a JSON list, or of the list under "data" in an object, with their positions ("row 3").

    Raises:
        InputError: the document is broken or has another shape; entries before the fault were yielded.
    """
    document = _Document(location, stream)
    opening = document.peek()
    if opening == "[":
        yield from document.entries()
        document.finish()
        return
    kind = kind_of(document.value()) if opening != "{" else "an object"
    found = False
    for name in document.names() if opening == "{" else ():
        if name == "data" and document.peek() == "[":
            yield from document.entries()
            found = True
        elif document.peek() == "[":
            # Not as one value: the rows may stand under another name, and be gigabytes.
            for _ in document.entries(f"{name!r}, entry"):
                pass
        else:
            document.value()
    document.finish()
    if not found:
        raise InputError(
            f"{location!r} must hold a JSON list of objects (or an object with such a list under 'data'), but holds "
            f"{kind}. Is it one object a line? Then name it .jsonl."
        )


def keyed_rows(location: str, stream: io.BufferedIOBase) -> Iterator[tuple[str, Any]]:
    """Reads the entries of a JSON object with their keys.

    Raises:
        InputError: the document is broken or no object, or a key occurs twice; entries before the fault were yielded.
    """
    document = _Document(location, stream)
    if document.peek() != "{":
        raise InputError(
            f"{location!r} must hold a JSON object that maps an id to each row, but holds {kind_of(document.value())}."
        )
    for name in document.names():
        document.place = f"entry {name!r}"
        yield name, document.value()
        document.place = f"after entry {name!r}"
    document.finish()


def kind_of(value: Any) -> str:
    """What a JSON value is, in words: "a list"."""
    kinds = {list: "a list", dict: "an object", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else kinds.get(type(value), type(value).__name__)


def no_utf8(data: bytes, start: int, where: str) -> InputError:
    """The error for bytes that are no UTF-8 from `start` on; `where` names file and line."""
    return InputError(
        f"{where}: byte 0x{data[start]:02x} is not UTF-8. Save the file in UTF-8 (for instance with iconv -t UTF-8)."
    )


def refuse_null_bytes(text: str, where: str) -> None:
    """Refuses text with null bytes.

    Raises:
        InputError: there is one; `where` names file and line.
    """
    if "\0" in text:
        raise InputError(
            f"{where}: the text holds a null byte. The file is damaged, is no text, or is UTF-16: save it in UTF-8."
        )


class _Document:
    """A window that moves over a JSON document and holds little more than the value at its front."""

    def __init__(self, location: str, stream: io.BufferedIOBase) -> None:
        self.place = ""
        self._location = location
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        # Where the window begins in the file.
        self._line, self._column = 1, 1
        self._ended = False

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def value(self) -> Any:
        """Parses the next value."""
        if not self.peek():
            self._fail("the file ends where a value is expected; it is empty, or was cut short")
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                # A number at the end of the window may go on behind it.
                if (end < len(self._text) or self._ended) and end - self._at <= MAX_ROW:
                    self._at = end
                    return value
            except json.JSONDecodeError as error:
                unfinished = error.pos > len(self._text) - _MARGIN or error.msg.startswith("Unterminated string")
                if self._ended or not unfinished:
                    raise _not_json(self._where(error.pos), error, self._cut_short(error)) from error
            except (ValueError, RecursionError) as error:
                raise _unreadable(self._where(self._at), error) from error
            if len(self._text) - self._at > MAX_ROW:
                self._fail(
                    f"the value is larger than {MAX_ROW_MIB} MiB, the limit of a row. Is a quote or bracket never "
                    "closed, or is the file of another shape? It must be a list of objects"
                )
            self._more()

    def entries(self, called: str = "row") -> Iterator[tuple[str, Any]]:
        """Parses a list entry by entry; gives each with what it is called and its number."""
        self._at += 1
        number = 1
        if self.peek() == "]":
            self._at += 1
            return
        while True:
            position = self.place = f"{called} {number}"
            yield position, self.value()
            self.place = f"after {position}"
            if not self._goes_on("]"):
                return
            number += 1

    def names(self) -> Iterator[str]:
        """Parses an object; the caller takes each name's value before it asks for the next name."""
        self._at += 1
        if self.peek() == "}":
            self._at += 1
            return
        seen = FirstSeen()
        while True:
            name = self.value() if self.peek() == '"' else self._fail("a name in double quotes is expected")
            if seen.earlier(name, "") is not None:
                self._fail(f"the name {name!r} occurs twice in the object, and one value would be lost. Rename one")
            if self.peek() != ":":
                self._fail(f"a colon is expected after the name {name!r}")
            self._at += 1
            self.peek()
            yield name
            if not self._goes_on("}"):
                return

    def finish(self) -> None:
        """Refuses anything after the document."""
        if self.peek():
            self._fail("there is more after the end of the JSON document. Is it one object a line? Then name it .jsonl")

    def _goes_on(self, closing: str) -> bool:
        mark = self.peek()
        if mark not in (",", closing) or not mark:
            self._fail(
                f"a comma or {closing!r} is expected, but got {mark!r}"
                if mark
                else f"the file ends before its closing {closing!r}. It was probably cut short; fetch it again"
            )
        self._at += 1
        return mark == ","

    def _more(self) -> bool:
        """Reads on. What is left doubles, up to the limit of a row, so that a long value is parsed few times over."""
        self._line, self._column = self._line_and_column(self._at)
        rest = self._text[self._at :]
        data = self._stream.read(max(_CHUNK, min(len(rest), MAX_ROW - len(rest))))
        self._ended = not data
        try:
            text = self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            line = self._line + rest.count("\n") + error.object.count(b"\n", 0, error.start)
            raise no_utf8(error.object, error.start, f"{self._location!r}, line {line}") from error
        self._text, self._at = rest + text, 0
        if "\0" in text:
            refuse_null_bytes(text, self._where(self._text.index("\0")))
        return not self._ended

    def _line_and_column(self, at: int) -> tuple[int, int]:
        num_lines = self._text.count("\n", 0, at)
        if num_lines:
            return self._line + num_lines, at - self._text.rfind("\n", 0, at)
        return self._line, self._column + at

    def _where(self, at: int) -> str:
        line, column = self._line_and_column(at)
        return f"{self._location!r}, {self.place + ', ' if self.place else ''}line {line}, column {column}"

    def _cut_short(self, error: json.JSONDecodeError) -> str:
        ends_inside = error.pos >= len(self._text.rstrip()) or error.msg.startswith("Unterminated string")
        return " The file ends inside a value; it was probably cut short." if ends_inside else ""

    def _fail(self, problem: str) -> NoReturn:
        raise InputError(f"{self._where(self._at)}: {problem}.")


def _not_json(where: str, error: json.JSONDecodeError, hint: str) -> InputError:
    excerpt = error.doc[max(0, error.pos - 20) : error.pos + 20].strip()
    return InputError(f"{where}: this is not JSON ({error.msg}). It reads: {excerpt!r}.{hint}")


def _unreadable(where: str, error: Exception) -> InputError:
    if isinstance(error, _RepeatedKey):
        return InputError(
            f"{where}, field {str(error)!r}: an object has this field twice, and one value would be lost. Rename one."
        )
    if isinstance(error, RecursionError):
        return InputError(f"{where}: the JSON is nested too deeply.")
    return InputError(f"{where}: this cannot be read: {error}.")  # A whole number of thousands of digits.
