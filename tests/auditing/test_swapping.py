"""Swapped words: whole words, both directions, with their case kept; and the files that name them."""

from pathlib import Path

import pytest

from cowest.auditing import WordSwap, read_pairs
from cowest.errors import InputError
from cowest.types import Example

PAIRS = [("he", "she"), ("his", "her"), ("him", "her"), ("John McKay", "Mary Doe"), ("John", "Mary")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("He saw the sheep there.", "She saw the sheep there."),
        ("SHE and he", "HE and she"),
        ("his hat; her hat; him", "her hat; his hat; her"),  # `her` has its partner in the first pair that has it
        ("John's", "Mary's"),
        ("john, JOHN and Johnson", "mary, MARY and Johnson"),
        ("John McKay met Mary.", "Mary Doe met John."),
        ("john  mckay", "mary doe"),
        ("nothing here", "nothing here"),
        ("", ""),
    ],
)
def test_words_are_swapped(before: str, after: str) -> None:
    assert WordSwap(PAIRS).text(before) == after


def test_what_is_swapped_is_swapped_back() -> None:
    swap = WordSwap([("he", "she"), ("Ana", "Ben")])
    text = "Does HE know Ana? She does, ben."
    assert swap.text(swap.text(text)) == text
    assert swap.text(text) == "Does SHE know Ben? He does, ana."


def test_an_example_is_swapped_as_a_whole() -> None:
    fields = {"options": ["he", "they"], "year": 1900, "who": {"name": "John"}, "is_he": True}
    example = Example(id="he", query="Is he John?", references=("John", "he"), fields=fields, group="he")
    found = WordSwap(PAIRS).example(example)
    assert (found.query, found.references, found.id, found.group) == ("Is she Mary?", ("Mary", "she"), "he", "he")
    assert found.fields == {"options": ["she", "they"], "year": 1900, "who": {"name": "Mary"}, "is_he": True}


@pytest.mark.parametrize("pairs", [[], [("he", "")], [("he", "He")], [(" ", "she")]])
def test_pairs_that_swap_nothing_are_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(InputError, match=r"he,she|two different words"):
        WordSwap(pairs)


def test_pairs_are_read_from_lines(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text('\ufeff# genders\nhe,she\n\nJohn McKay\tMary, Doe\n"Doe, Mary",  John\n', encoding="utf-8")
    assert read_pairs(path) == (("he", "she"), ("John McKay", "Mary, Doe"), ("Doe, Mary", "John"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("he,she\nhim\n", "line 2 is no pair of words: 'him'"),
        ("he,she,they\n", "line 1 is no pair"),
        ("he,\n", "line 1 is no pair"),
        ("# nothing\n", "holds no pairs of words"),
        (b"\xff\xfe", "cannot be read"),
        (None, "No such file"),
    ],
)
def test_a_file_without_pairs_says_what_is_wrong(tmp_path: Path, text: str | bytes | None, said: str) -> None:
    path = tmp_path / "pairs.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=said):
        read_pairs(path)
