"""Which option a text means: a table of nasty cases, all of which must be read right."""

import pytest

from cowest.tasks import _choices

CITIES = ["London", "Paris", "New York", "paris, texas"]
GERMS = ["Staphylococcus aureus", "E. coli", "Streptococcus pneumoniae", "None of the above"]
DOSES = ["5 mg", "10 mg", "50 mg", "5 mg"]

CASES: list[tuple[str, list[str], int | None]] = [
    # The letter, alone and dressed up.
    ("B", CITIES, 1),
    ("b.", CITIES, 1),
    ("(B)", CITIES, 1),
    ("( B )", CITIES, None),
    ("[b]", CITIES, 1),
    ("B)", CITIES, 1),
    ("B:", CITIES, 1),
    ("**B**", CITIES, 1),
    ("**(B)** Paris", CITIES, 1),
    ("`B`", CITIES, 1),
    ('"B"', CITIES, 1),
    ("Ｂ", CITIES, 1),
    ("（B）", CITIES, 1),
    ("B。", CITIES, 1),
    ("选项B", CITIES, 1),
    ("option B", CITIES, 1),
    ("Choice: b", CITIES, 1),
    ("option (b).", CITIES, 1),
    # Letter and text.
    ("(B) Paris", CITIES, 1),
    ("B: Paris", CITIES, 1),
    ("B. Paris", CITIES, 1),
    ("B) paris.", CITIES, 1),
    ("B - Paris", CITIES, 1),
    ("B, Paris", CITIES, 1),
    ("B (Paris)", CITIES, 1),
    ("B\nParis", CITIES, 1),
    ("Option (B): Paris", CITIES, 1),
    ("(B) Paris, the capital", CITIES, 1),
    ("Paris (B)", CITIES, 1),
    ("Paris, option B.", CITIES, 1),
    ("D. Paris, Texas", CITIES, 3),
    ("C. Streptococcus", GERMS, 2),
    # The text alone.
    ("PARIS.", CITIES, 1),
    ("new  york", CITIES, 2),
    ("the New York", CITIES, 2),
    ("Paris, Texas", CITIES, 3),
    ("**New York**", CITIES, 2),
    ("None of the above", GERMS, 3),
    ("E. coli", GERMS, 1),
    ("50 mg", DOSES, 2),
    ("5 mg", DOSES, 0),
    # Sentences and remarks.
    ("It is B.", CITIES, 1),
    ("I choose (B)", CITIES, 1),
    ("The correct answer is B", CITIES, 1),
    ("B is correct.", CITIES, 1),
    ("Paris is the correct answer.", CITIES, 1),
    ("B because A and C are wrong", CITIES, 1),
    ("B, since it is the capital", CITIES, 1),
    ("B. The other options are wrong.", CITIES, 1),
    ("(B) because option C is no capital", CITIES, 1),
    # No option, several, or a contradiction.
    ("(B) London", CITIES, None),
    ("London (B)", CITIES, None),
    ("B. Rome", CITIES, None),
    ("(B) Rome", CITIES, None),
    ("E", CITIES, None),
    ("(Z)", CITIES, None),
    ("E) Rome", CITIES, None),
    ("Rome", CITIES, None),
    ("B Rome", CITIES, None),  # a bare letter before a word is no letter of an option
    ("A rose", CITIES, None),
    ("I do not know", CITIES, None),
    ("C. difficile", CITIES, None),
    ("A or B", CITIES, None),
    ("A and B", CITIES, None),
    ("Both B and C", CITIES, None),
    ("B, C", CITIES, None),
    ("A, B, C", CITIES, None),
    ("A/B", CITIES, None),
    ("(A) or (B)", CITIES, None),
    ("(A), (B)", CITIES, None),
    ("B) Paris and C) New York", CITIES, None),
    ("B) Paris or C) Rome", CITIES, None),
    ("not B", CITIES, None),
    ("B is wrong", CITIES, None),
    ("Paris or London", CITIES, None),
    ("mg", DOSES, None),
    ("2", CITIES, None),
    ("", CITIES, None),
    ("...", CITIES, None),
    # Options that look like letters, and options that differ in signs only.
    ("A", ["B", "A", "C"], None),
    ("(A)", ["B", "A", "C"], 0),
    ("C", ["B", "A", "C"], 2),
    ("C. tetani", ["A. niger", "E. coli", "C. tetani"], 2),
    ("A. niger", ["E. coli", "A. niger"], 1),
    ("C+", ["C-", "C+"], 1),
    ("c", ["x-", "C!"], 1),
    ("x", ["x-", "x+"], None),
    ("Vitamin (B)", ["Vitamin A", "Vitamin (B)"], 1),
    # Equal options stand for each other.
    ("both", ["none", "both", "Both"], 1),
    ("(C) both", ["none", "both", "Both"], 2),
]


def test_every_case_of_the_table_is_read_right() -> None:
    found = [(text, _choices.find(text, options), index) for text, options, index in CASES]
    wrong = [row for row in found if row[1] != row[2]]
    print(f"{len(CASES) - len(wrong)} of {len(CASES)} choices read right")
    assert not wrong
    assert len(CASES) >= 40


@pytest.mark.parametrize(
    "options", [CITIES, GERMS, DOSES, ["B", "A", "C"], ["is correct", "A", "B"], ["a b", "(A)", "5."]]
)
def test_every_letter_means_its_option(options: list[str]) -> None:
    letters = [_choices.letter(index, options) for index in range(len(options))]
    assert [_choices.find(letter, options) for letter in letters] == list(range(len(options)))


@pytest.mark.parametrize(
    "options", [CITIES, GERMS, ["is correct", "it is", "the other"], ["because of it", "5.", "a b"]]
)
def test_every_text_means_its_option(options: list[str]) -> None:
    assert [_choices.find(option, options) for option in options] == list(range(len(options)))


def test_a_letter_is_put_in_parentheses_where_it_is_the_text_of_another_option() -> None:
    options = ["B", "A", "C"]
    assert [_choices.letter(index, options) for index in range(3)] == ["(A)", "(B)", "C"]


def test_rendering() -> None:
    assert _choices.render(["x", "y"]) == "(A) x\n(B) y"
