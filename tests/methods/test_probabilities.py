"""Confidence in an answer: which tokens it is read from."""

import re
from itertools import pairwise

import pytest

from cowest import answers
from cowest.errors import CompletionError
from cowest.methods._probabilities import confidence, locate
from cowest.types import Completion
from tests.methods.quiz import said


def marked(text: str) -> str | None:
    """The answer after the last mark."""
    return answers.parse(text).final


def opening(text: str) -> str | None:
    """A label of one letter that opens a reply."""
    found = re.match(r"([A-D])\b", text)
    return found[1] if found else None


@pytest.mark.parametrize(
    ("text", "probabilities", "expected"),
    [
        ("Answer: A", (0.999, 0.3), 0.3),  # not the A of "Answer"
        ("Explanation: A drug.\nAnswer: A", (0.1, 0.2, 0.3, 0.4, 0.5), 0.5),
        ("Explanation: A or B.\nThe answer is A.", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), 0.8),
        ("Answer: A\nA near guess.", (0.9, 0.2, 0.3), 0.2),
        ("Answer: an answer", (0.9, 0.5, 0.4), 0.2),
        ("Explanation: B is near.\nAnswer: B", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), 0.6),
        ("Answer: B\nSo B.", (0.1, 0.2, 0.3, 0.4), 0.2),
        ("Answer: 12 mg.", (0.1, 0.5, 0.4), 0.2),
        ("Yes or no?\nAnswer: yes", (0.1, 0.2, 0.3, 0.4, 0.5), 0.5),
    ],
)
def test_a_label_is_read_where_it_is_given(text: str, probabilities: tuple[float, ...], expected: float) -> None:
    assert confidence(said(text, *probabilities), marked, "weak", is_label=True) == pytest.approx(expected)


def test_an_answer_is_found_wherever_its_reader_finds_it() -> None:
    reply = said("A is right, and so A.", 0.3, 0.9)
    assert confidence(reply, opening, "weak", is_label=True) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("Answer: A", (8, 9)),
        ("Answer: Answer", (8, 14)),
        ("The answer is (b).", (14, 17)),
        ("A: no. B: no. So the answer is A", (31, 32)),
        ('{"answer": "A"}', (12, 13)),
        ("答案：北京在北京", (3, 8)),
        ("北京很大。答案是北京。", (8, 10)),  # inside a run of letters
        (r"\boxed{12} and 12", (7, 9)),
        ("no such mark", (0, 12)),
    ],
)
def test_the_span_of_an_answer(text: str, span: tuple[int, int]) -> None:
    assert locate(text, marked(text) or "", marked) == span


def test_an_answer_in_other_case_is_found() -> None:
    def label(text: str) -> str | None:
        return "yes" if "answer: yes" in text.lower() else None

    assert locate("yes? Answer: YES", "yes", label) == (13, 16)
    assert locate("Answer: yes", "unsafe", lambda text: "unsafe") == (0, 11)  # nowhere in it: the whole reply


def test_tokens_count_where_they_stand_among_the_tokens() -> None:
    """The reply lacks the space and the special token that its tokens hold; one character takes two tokens."""
    tokens = (" Answer", ":", " caf", "", "é", "<|end|>")
    logprobs = (-0.5, -0.25, -1.0, -2.0, -4.0, -8.0)
    reply = Completion(text="Answer: café", finish_reason="stop", tokens=tokens, token_logprobs=logprobs)
    assert confidence(reply, marked, "weak", is_label=True) == pytest.approx(2.718281828**-7.0)


def test_few_readings_are_needed() -> None:
    readings = []

    def read(text: str) -> str | None:
        readings.append(text)
        return marked(text)

    text = "Explanation: " + "a snail, " * 1000 + "\nAnswer: a"
    assert locate(text, "a", read) == (len(text) - 1, len(text))
    assert len(readings) < 15
    assert all(one != two for one, two in pairwise(readings))


def test_an_open_answer_does_not_suffer_from_its_length() -> None:
    reply = said("Answer: one two three", 0.1, 0.5, 0.5, 0.5)
    assert confidence(reply, marked, "weak", is_label=False) == pytest.approx(0.5)
    assert confidence(reply, marked, "weak", is_label=True) == pytest.approx(0.125)


@pytest.mark.parametrize("given", [{}, {"token_logprobs": (-0.1,)}, {"tokens": ("a",)}])
def test_nothing_is_guessed(given: dict[str, tuple[str | float, ...]]) -> None:
    with pytest.raises(CompletionError, match=r"weak\.options: \{logprobs: true\}"):
        confidence(Completion(text="a", finish_reason="stop", **given), marked, "weak", is_label=True)
