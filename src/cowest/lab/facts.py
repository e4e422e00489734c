"""Which facts about a drug a text states, in either notation."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cowest.lab.grammar import CLASSES, NUMBER_WORDS, Notation

_RATE = re.compile(r"\b(\d+|[a-z]+) mg (?:per|for each) kg\b")
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class StatedFacts:
    """The rates (mg per kg) and classes that a text states, and the notations of the rates."""

    rates: tuple[int, ...]
    classes: tuple[str, ...]
    notations: tuple[Notation, ...]


def stated_facts(text: str) -> StatedFacts:
    """Finds every rate and class; number words count as numbers."""
    lowered = text.lower()
    rates: list[int] = []
    notations: list[Notation] = []
    for number in _RATE.findall(lowered):
        if number.isdigit():
            rates.append(int(number))
            notations.append("figures")
        elif number in NUMBER_WORDS:
            rates.append(NUMBER_WORDS.index(number))
            notations.append("words")
    classes = tuple(word for word in _WORD.findall(lowered) if word in CLASSES)
    return StatedFacts(tuple(rates), classes, tuple(notations))


def names_drug(text: str, drug: str) -> bool:
    """Says whether a text names a drug as a whole word."""
    return drug in _WORD.findall(text.lower())
