import pytest

from cowest import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        (0.0, "$0"),
        (0.00001234, "$1.2e-05"),
        (0.0016, "$0.0016"),
        (0.5, "$0.5000"),
        (1234.5, "$1,234.50"),
    ],
)
def test_money(value: float | None, text: str) -> None:
    assert words.money(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.084, "0.084 s"), (2.31, "2.3 s"), (58.4, "58 s"), (59.7, "1 min 00 s"), (7500, "2 h 05 min")],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


def test_an_estimate_has_its_interval_where_there_is_one() -> None:
    assert words.estimate(0.77, (0.725, 0.81)) == "77.0% [72.5, 81.0]"
    assert words.estimate(0.77, None) == "77.0%"


def test_points_have_a_sign_unless_they_are_zero() -> None:
    assert [words.points(value) for value in (0.125, -0.125, -0.0001, 0.0001)] == ["+12.5", "−12.5", "0.0", "0.0"]


def test_plurals() -> None:
    assert [words.plural(1, "query"), words.plural(2, "query"), words.plural(0, "pair")] == [
        "1 query",
        "2 queries",
        "0 pairs",
    ]


def test_small_p_values_are_bounds() -> None:
    assert [words.p_value(value) for value in (0.0001, 0.04999, None)] == ["< 0.001", "0.050", "–"]


def test_an_interval_in_a_sentence_is_not_broken() -> None:
    text = words.unbroken("98.7% [96.6, 99.5]: better, [69.7, 75.8] points")
    gap = "\N{NO-BREAK SPACE}"
    assert text.split(" ") == ["98.7%", f"[96.6,{gap}99.5]:", "better,", f"[69.7,{gap}75.8]", "points"]
