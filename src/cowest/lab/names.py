"""Invented drug names: three syllables each, unlike any real drug name, with near-miss pairs among them."""

from __future__ import annotations

import random
from collections.abc import Collection
from functools import cache
from pathlib import Path

CONSONANTS = "bdfgklmnprstvz"
VOWELS = "aeiou"
OPEN_SYLLABLES = tuple(consonant + vowel for consonant in CONSONANTS for vowel in VOWELS)
LAST_SYLLABLES = tuple(
    "bax bel bon dax del dun fal fex gan gol gum kan kel kor lex lin lor lun mer mox nal nex nor pax pel "
    "ral rin rix ron sel sun tal tex tor vel vin vor zan zel zor".split()
)

# Real names and brands near the syllables above. An invented name equal to one of them, containing one, contained in
# one or one letter away from one is refused.
REAL_NAMES = frozenset((Path(__file__).parent / "real_names.txt").read_text(encoding="utf-8").split())
# Stems by which real drugs are named (WHO's list of international non-proprietary names).
REAL_STEMS = tuple("mab nib vir pam lol pril tan tin cain dipin zol penem parin toin mycin".split())


def _one_edit_apart(first: str, second: str) -> bool:
    if abs(len(first) - len(second)) > 1:
        return False
    if len(first) > len(second):
        first, second = second, first
    if first[0] != second[0] and first[-1] != second[-1]:
        return False
    start = 0
    while start < len(first) and first[start] == second[start]:
        start += 1
    if len(first) == len(second):
        return first[start + 1 :] == second[start + 1 :]
    return first[start:] == second[start + 1 :]


@cache
def is_invented(name: str) -> bool:
    """Says whether a name is unlike every real drug name and naming stem known here."""
    if name.endswith(REAL_STEMS):
        return False
    return not any(real in name or name in real or _one_edit_apart(name, real) for real in REAL_NAMES)


def syllables(name: str) -> tuple[str, str, str]:
    """Splits an invented name into its three syllables."""
    return name[:2], name[2:4], name[4:]


def looks_invented(word: str) -> bool:
    """Says whether a word has the syllables of an invented name."""
    first, middle, last = syllables(word)
    return first in OPEN_SYLLABLES and middle in OPEN_SYLLABLES and last in LAST_SYLLABLES


def near_miss(name: str, random_source: random.Random) -> str:
    """Returns another invented name that differs from `name` in one syllable."""
    while True:
        parts = list(syllables(name))
        place = random_source.choice((0, 1, 2, 2))
        parts[place] = random_source.choice(LAST_SYLLABLES if place == 2 else OPEN_SYLLABLES)
        candidate = "".join(parts)
        if candidate != name and is_invented(candidate):
            return candidate


def invent(
    count: int, random_source: random.Random, avoid: Collection[str] = (), near_miss_share: float = 0.0
) -> list[str]:
    """Invents distinct names.

    Args:
        count: How many.
        random_source: Of every choice.
        avoid: Names that must not be among them.
        near_miss_share: The share of names made from an earlier one by changing one syllable.
    """
    names: list[str] = []
    seen = set(avoid)
    while len(names) < count:
        if names and random_source.random() < near_miss_share:
            candidate = near_miss(random_source.choice(names), random_source)
        else:
            first, middle = random_source.choice(OPEN_SYLLABLES), random_source.choice(OPEN_SYLLABLES)
            candidate = first + middle + random_source.choice(LAST_SYLLABLES)
        if candidate not in seen and is_invented(candidate):
            seen.add(candidate)
            names.append(candidate)
    return names
