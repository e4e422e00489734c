"""Confidence in an answer: which tokens it is read from."""

import pytest

from cowest.errors import CompletionError
from cowest.methods._probabilities import confidence
from cowest.types import Completion
from tests.methods.quiz import said


@pytest.mark.parametrize(
    ("text", "answer", "probabilities", "expected"),
    [
        ("Explanation: B is near.\nAnswer: B", "B", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), 0.6),
        ("Answer: B\nSo B.", "B", (0.1, 0.2, 0.3, 0.4), 0.2),
        ("Answer: 12 mg.", "12 mg", (0.1, 0.5, 0.4), 0.2),
        ("It is B.", "B", (0.1, 0.2, 0.3), 0.3),
        ("Answer: b", "elsewhere", (0.5, 0.5), 0.25),  # no such place: the whole reply
    ],
)
def test_a_label_is_read_where_it_is_given(
    text: str, answer: str, probabilities: tuple[float, ...], expected: float
) -> None:
    assert confidence(said(text, *probabilities), answer, "weak", is_label=True) == pytest.approx(expected)


def test_an_open_answer_does_not_suffer_from_its_length() -> None:
    reply = said("Answer: one two three", 0.1, 0.5, 0.5, 0.5)
    assert confidence(reply, "one two three", "weak", is_label=False) == pytest.approx(0.5)
    assert confidence(reply, "one two three", "weak", is_label=True) == pytest.approx(0.125)


@pytest.mark.parametrize("given", [{}, {"token_logprobs": (-0.1,)}, {"tokens": ("a",)}])
def test_nothing_is_guessed(given: dict[str, tuple[str | float, ...]]) -> None:
    with pytest.raises(CompletionError, match=r"weak\.options: \{logprobs: true\}"):
        confidence(Completion(text="a", finish_reason="stop", **given), "a", "weak", is_label=True)
