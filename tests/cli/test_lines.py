"""Sentences on a terminal break between words, and nowhere else."""

import io

import pytest

from cowest.cli._examples import EXAMPLES
from cowest.cli._lines import fitted, print_lines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("line", "width", "rows"),
    [
        ("✓ train: 1,500 rows give a target", 20, ["✓ train: 1,500 rows", "  give a target"]),
        ("    row 7, answer: it is missing", 24, ["    row 7, answer: it is", "      missing"]),
        ("see /a/path/longer/than-the-terminal/is now", 20, ["see", "  /a/path/longer/than-the-terminal/is", "  now"]),
        ("short", 20, ["short"]),
        ("", 20, [""]),
    ],
)
def test_a_row_ends_between_words_and_the_next_is_indented(line: str, width: int, rows: list[str]) -> None:
    assert fitted(line, width).split("\n") == rows


def test_only_a_terminal_breaks_lines_and_neither_gets_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    text = "one two three four five six\nseven \x1b[31m"
    piped, terminal = io.StringIO(), Terminal()
    for stream in (piped, terminal):
        print_lines(text, stream=stream)
    assert piped.getvalue() == "one two three four five six\nseven \\x1b[31m\n"
    assert terminal.getvalue() == "one two three four\n  five six\nseven \\x1b[31m\n"


def test_every_example_of_the_help_fits_80_columns() -> None:
    for verb, examples in EXAMPLES.items():
        for example in examples:
            assert len(f"  {example}") <= 80, (verb, example)
