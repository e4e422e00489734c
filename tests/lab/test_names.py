import random

import pytest

from cowest.lab import names


@pytest.mark.parametrize("name", ["panadol", "panadal", "xanax", "velopril", "tylenol"])
def test_real_drugs_and_their_neighbours_and_stems_are_refused(name: str) -> None:
    assert not names.is_invented(name)


def test_invented_names_are_distinct_built_of_syllables_and_avoid_the_given_ones() -> None:
    first = names.invent(300, random.Random(0), near_miss_share=0.3)
    second = names.invent(300, random.Random(0), avoid=first)
    assert len(set(first)) == 300
    assert not set(first) & set(second)
    assert all(names.looks_invented(name) and names.is_invented(name) for name in first + second)


def test_near_miss_differs_in_one_syllable() -> None:
    random_source = random.Random(1)
    for name in names.invent(50, random_source):
        other = names.near_miss(name, random_source)
        pairs = zip(names.syllables(name), names.syllables(other), strict=True)
        assert sum(own != its for own, its in pairs) == 1
