import pytest

from cowest.tasks import _choices

CITIES = ["London", "Paris", "New York", "paris, texas"]


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("B", 1),
        ("b.", 1),
        ("(B)", 1),
        ("[b]", 1),
        ("B)", 1),
        ("(B) Paris", 1),
        ("B: Paris", 1),
        ("B. Paris", 1),
        ("option B", 1),
        ("Option (B): Paris", 1),
        ("(B) Paris, the capital", 1),
        ("PARIS.", 1),
        ("new  york", 2),
        ("the New York", 2),
        ("Paris, Texas", 3),
        ("(B) London", None),  # letter and text disagree
        ("E", None),
        ("(Z)", None),
        ("Rome", None),
        ("B Rome", None),  # a bare letter before a word is no letter of an option
        ("C. difficile", None),
        ("A or B", None),
        ("", None),
    ],
)
def test_what_a_text_means(text: str, index: int | None) -> None:
    assert _choices.find(text, CITIES) == index


def test_options_that_look_like_letters() -> None:
    options = ["B", "A", "C"]
    assert _choices.find("A", options) is None
    assert _choices.find("(A)", options) == 0
    assert _choices.find("C", options) == 2
    assert [_choices.letter(index, options) for index in range(3)] == ["(A)", "(B)", "C"]


def test_options_that_begin_like_letters() -> None:
    assert _choices.find("C. tetani", ["A. niger", "E. coli", "C. tetani"]) == 2
    assert _choices.find("A. niger", ["E. coli", "A. niger"]) == 1


def test_options_that_differ_in_signs_only() -> None:
    assert _choices.find("C+", ["C-", "C+"]) == 1
    assert _choices.find("c", ["x-", "C!"]) == 1
    assert _choices.find("x", ["x-", "x+"]) is None


def test_equal_options_stand_for_each_other() -> None:
    assert _choices.find("both", ["none", "both", "Both"]) == 1


def test_rendering() -> None:
    assert _choices.render(["x", "y"]) == "(A) x\n(B) y"
