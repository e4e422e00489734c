"""Words that are swapped in a query, such as names or genders: whole words, both directions, with their case kept."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cowest.errors import InputError
from cowest.types import Example

Pairs = tuple[tuple[str, str], ...]


class WordSwap:
    """Swaps words: "he" and "she" make "He saw her" of "She saw her", if no pair has "her".

    All pairs are swapped at once, so that no word is swapped back. A word of several pairs is replaced by its partner
    in the first of them. The word's case is kept: "SHE" becomes "HE", and "She" becomes "He".

    Args:
        pairs: the words, each with its partner; a "word" may hold spaces.

    Raises:
        InputError: there is no pair, or one has no two different words.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.pairs = tuple((first.strip(), second.strip()) for first, second in pairs)
        if not self.pairs:
            raise InputError("There are no words to swap. Give pairs of words, such as he,she.")
        self._partners: dict[str, tuple[str, str]] = {}
        for first, second in self.pairs:
            if not first or not second or first.casefold() == second.casefold():
                raise InputError(f"({first!r}, {second!r}) is no pair of words to swap. Give two different words.")
            for word, partner in ((first, second), (second, first)):
                self._partners.setdefault(word.casefold(), (word, partner))
        longest_first = sorted(self._partners, key=len, reverse=True)
        spaced = (r"\s+".join(map(re.escape, word.split())) for word in longest_first)
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(spaced)})(?!\w)", re.IGNORECASE)

    def text(self, text: str) -> str:
        """The text with its words swapped."""
        return self._pattern.sub(lambda match: self._replacement(match[0]), text)

    def example(self, example: Example) -> Example:
        """The example with the words of its query, references and fields swapped, so that they still fit each other."""
        return example.model_copy(
            update={
                "query": self.text(example.query),
                "references": tuple(map(self.text, example.references)),
                "fields": {name: self._value(value) for name, value in example.fields.items()},
            }
        )

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self._value(each) for key, each in value.items()}
        return type(value)(map(self._value, value)) if type(value) in (list, tuple) else value

    def _replacement(self, found: str) -> str:
        word, partner = self._partners[" ".join(found.casefold().split())]
        if found == word:
            return partner
        if found.isupper() and (len(found) > 1 or word.islower()):
            return partner.upper() if len(found) > 1 else partner[:1].upper() + partner[1:]
        if found.islower():
            return partner.lower()
        return partner[:1].upper() + partner[1:] if found[:1].isupper() else partner


def read_pairs(path: str | Path) -> Pairs:
    """Reads pairs of words: two on a line with a comma or a tab between; lines that begin with # do not count.

    Raises:
        InputError: the file cannot be read, holds no pair, or a line is none; the message names it.
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"The words to swap cannot be read from {str(path)!r}: {reason}. Give a text file in UTF-8 with two words "
            "on each line, such as he,she."
        ) from error
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        (cells,) = csv.reader([line], delimiter="\t" if "\t" in line else ",", skipinitialspace=True)
        if len(cells) != 2 or not all(cell.strip() for cell in cells):
            raise InputError(
                f"{str(path)!r}, line {number} is no pair of words: {line!r}. Write two words with a comma between "
                "them, such as he,she."
            )
        pairs.append((cells[0], cells[1]))
    if not pairs:
        raise InputError(f"{str(path)!r} holds no pairs of words. Write two on each line, such as he,she.")
    return WordSwap(pairs).pairs
