"""Characters that not every place takes: half surrogate pairs in what is sent or stored, control characters on a
terminal."""

import re

_HALF_PAIR = re.compile("[\ud800-\udfff]")
# C0 without tab and line feed, DEL, C1, and the marks that reorder a line.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def without_half_pairs(text: str) -> str:
    """The text with U+FFFD for each half surrogate pair, which no tokenizer and hardly any endpoint takes."""
    return text if text.isascii() else _HALF_PAIR.sub("\ufffd", text)


def with_half_pairs_escaped(text: str) -> str:
    r"""The text with `\ud800` written out for half a surrogate pair: in JSON its escape, elsewhere readable."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def printable(text: str) -> str:
    r"""The text for a terminal: control characters other than tab and line feed as escapes, such as `\x1b`."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
