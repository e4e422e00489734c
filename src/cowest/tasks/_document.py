"""The rows of one JSON document, read as a stream.

Other streaming parsers were tried: they write "?" for half a surrogate pair, refuse long numbers and cannot give the
line of an error. The standard library's decoder does all three, and rows read the same as in .jsonl.
"""

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from cowest.errors import InputError
from cowest.tasks import _text
from cowest.tasks._json import DECODER, kind_of, not_json, unreadable
from cowest.tasks._spool import FirstSeen

_CHUNK = 2**18
# A value that is cut off where the buffer ends fails this close to the end ("-Infinity", "\ud83d\ude00").
_MARGIN = 16
_SPACE = re.compile(r"[ \t\n\r]*")


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
            # Not parsed as one value: it may hold all the rows under another name, gigabytes of them.
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


class _Document:
    """A JSON document behind a buffer that holds little more than the value to be read next."""

    def __init__(self, location: str, stream: io.BufferedIOBase) -> None:
        self.place = ""
        self._location = location
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        # Where the buffer begins in the file.
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
                value, end = DECODER.raw_decode(self._text, self._at)
                # A number at the end of the buffer may continue beyond it.
                if (end < len(self._text) or self._ended) and end - self._at <= _text.MAX_ROW:
                    self._at = end
                    return value
            except json.JSONDecodeError as error:
                unfinished = error.pos > len(self._text) - _MARGIN or error.msg.startswith("Unterminated string")
                if self._ended or not unfinished:
                    raise not_json(self._where(error.pos), error, self._cut_short(error)) from error
            except (ValueError, RecursionError) as error:
                raise unreadable(self._where(self._at), error) from error
            if len(self._text) - self._at > _text.MAX_ROW:
                self._fail(
                    f"the value is larger than {_text.MAX_ROW_MIB} MiB, the limit of a row. Is a quote or bracket "
                    "never closed, or is the file of another shape? It must be a list of objects"
                )
            self._more()

    def entries(self, called: str = "row") -> Iterator[tuple[str, Any]]:
        """Parses a list entry by entry; yields each with its position, such as "row 3"."""
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
        """Reads more: as much as is left unread, up to the limit of a row, so that a long value is parsed few times."""
        self._line, self._column = self._line_and_column(self._at)
        rest = self._text[self._at :]
        data = self._stream.read(max(_CHUNK, min(len(rest), _text.MAX_ROW - len(rest))))
        self._ended = not data
        try:
            text = self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as error:
            line = self._line + rest.count("\n") + error.object.count(b"\n", 0, error.start)
            raise _text.no_utf8(error.object, error.start, f"{self._location!r}, line {line}") from error
        self._text, self._at = rest + text, 0
        if "\0" in text:
            _text.refuse_null_bytes(text, self._where(self._text.index("\0")))
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
