"""Krippendorff's alpha against values that were published for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowest.statistics import krippendorff_alpha
from cowest.statistics.agreement import Level

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: four observers, twelve units.
FOUR_OBSERVERS = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]
# Three coders, fifteen units: the example of the encyclopedias.
THREE_CODERS = [
    ". . . . . 3 4 1 2 1 1 3 3 . 3",
    "1 . 2 1 3 3 4 3 . . . . . . .",
    ". . 2 1 3 4 4 . 2 1 1 3 3 . 4",
]


def units(raters: list[str]) -> list[tuple[int | None, ...]]:
    rows = [[None if value == "." else int(value) for value in rater.split()] for rater in raters]
    return list(zip(*rows, strict=True))


@pytest.mark.parametrize(
    ("raters", "level", "published"),
    [
        (FOUR_OBSERVERS, "nominal", 0.743),
        (FOUR_OBSERVERS, "ordinal", 0.815),
        (FOUR_OBSERVERS, "interval", 0.849),
        (THREE_CODERS, "nominal", 0.691),
        (THREE_CODERS, "interval", 0.811),
    ],
)
def test_alpha_is_the_published_one(raters: list[str], level: Level, published: float) -> None:
    assert krippendorff_alpha(units(raters), level) == pytest.approx(published, abs=5e-4)


def test_alpha_is_not_said_where_chance_alone_would_agree() -> None:
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([(1, None), (None, 2)]) is None
    assert krippendorff_alpha([(3, 3), (3, 3)]) is None
    assert krippendorff_alpha([(1, 1), (9, 9)]) == 1.0


@given(st.lists(st.lists(st.sampled_from([None, 1, 3, 6, 10]), min_size=3, max_size=3), min_size=1, max_size=12))
def test_the_order_of_raters_and_units_is_irrelevant_and_the_ordinal_one_needs_the_order_alone(
    rated: list[list[int | None]],
) -> None:
    alpha = krippendorff_alpha(rated)
    turned = krippendorff_alpha([unit[::-1] for unit in rated[::-1]])
    ranks = {None: None, 1: 1, 3: 2, 6: 3, 10: 4}
    ranked = krippendorff_alpha([[ranks[value] for value in unit] for unit in rated])
    if alpha is None:
        assert turned is ranked is None
    else:
        assert alpha <= 1.0 + 1e-12
        assert turned == pytest.approx(alpha)
        assert ranked == pytest.approx(alpha)
