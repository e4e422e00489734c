import pytest

from cowest import metrics


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Eiffel-Tower!", "eiffeltower"),
        ("an apple, a day", "apple day"),
        ("Theory", "theory"),  # "the" is dropped only as a word
        ("A", "a"),  # nothing would be left
        ("+", "+"),
        ("  ", ""),
    ],
)
def test_normal_form(text: str, expected: str) -> None:
    assert metrics.normalise(text) == expected


def test_exact_match_takes_any_reference() -> None:
    assert metrics.exact_match("The Beatles.", ["Queen", "beatles"]) == 1.0
    assert metrics.exact_match("Beatles band", ["beatles"]) == 0.0
    assert metrics.exact_match(None, ["beatles"]) == 0.0
    assert metrics.exact_match("", ["beatles"]) == 0.0
    assert metrics.exact_match("The", ["A"]) == 0.0


def test_token_f1_by_hand() -> None:
    # shared {red, fox} = 2, predicted 3, referenced 4: P = 2/3, R = 2/4, F1 = 4/7.
    assert metrics.token_f1("red fox runs", ["a quick red fox sleeps"]) == pytest.approx(4 / 7)
    # a repeated token counts as often as both hold it: shared 1, 2 and 1 tokens.
    assert metrics.token_f1("no no", ["no"]) == pytest.approx(2 / 3)
    assert metrics.token_f1("red fox", ["blue", "red fox hunt", "red"]) == pytest.approx(4 / 5)
    assert metrics.token_f1("cat", ["dog"]) == 0.0
    assert metrics.token_f1(None, ["dog"]) == 0.0
    assert metrics.token_f1("", ["dog"]) == 0.0


def test_accuracy_is_equality_of_labels() -> None:
    assert metrics.accuracy(" Needs  Caution. ", ["needs caution"]) == 1.0
    assert metrics.accuracy('"yes"', ["no", "Yes"]) == 1.0
    assert metrics.accuracy("C++", ["C"]) == 0.0
    assert metrics.accuracy("casual", ["not casual"]) == 0.0
    assert metrics.accuracy(".", ["."]) == 1.0
    assert metrics.accuracy(None, ["None"]) == 0.0


def test_lower_cased_equality_keeps_articles_and_punctuation() -> None:
    assert metrics.exact_match_lower(" THE Hague ", ["Den Haag", "the Hague"]) == 1.0
    assert metrics.exact_match_lower("The Hague.", ["The Hague"]) == 0.0
    assert metrics.exact_match_lower("Hague", ["The Hague"]) == 0.0
    assert metrics.exact_match_lower(None, ["none"]) == 0.0


def test_cased_token_f1_by_hand() -> None:
    # "Red" is not "red", "fox." is not "fox": shared {the} = 1 of 3 and 3 tokens: F1 = 2/6.
    assert metrics.token_f1_cased("the Red fox.", ["the red fox"]) == pytest.approx(1 / 3)
    # shared {a, a, b} = 3, predicted 4, referenced 3: 6/7; the other reference gives 2/5.
    assert metrics.token_f1_cased("a b a c", ["c", "a a b"]) == pytest.approx(6 / 7)
    assert metrics.token_f1_cased("", ["a"]) == 0.0
    assert metrics.token_f1_cased(None, ["a"]) == 0.0
