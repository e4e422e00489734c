"""Shared by the verbs that print sentences: rows on a terminal end between words; anywhere else a line stays whole."""

import shutil
import sys
import textwrap
from typing import TextIO

from cowest.characters import printable


def print_lines(text: str, *, indent: int = 2, stream: TextIO | None = None) -> None:
    """Prints a text without control characters.

    Args:
        text: its line breaks stay.
        indent: spaces before what does not fit on the row of its line, beyond those the line begins with.
        stream: stdout by default.
    """
    stream = stream or sys.stdout
    lines = printable(text).split("\n")
    if stream.isatty():
        lines = [fitted(line, shutil.get_terminal_size().columns, indent) for line in lines]
    print("\n".join(lines), file=stream, flush=True)


def fitted(line: str, width: int, indent: int = 2) -> str:
    """The line in rows of at most `width`. A path or a command is never broken, since it may be copied."""
    inner = " " * (len(line) - len(line.lstrip()) + indent)
    return textwrap.fill(line, width, subsequent_indent=inner, break_long_words=False, break_on_hyphens=False)
