"""Answers as models write them."""

import pytest

from cowest.answers import parse


@pytest.mark.parametrize(
    ("text", "explanation", "final"),
    [
        ("Explanation: Two and two.\nAnswer: 4", "Two and two.", "4"),
        ("explanation: two\nanswer: Four.", "two", "Four"),
        ("**Explanation:** two\n\n**Answer:** 4", "two", "4"),
        ("Answer: first guess\nOn reflection no.\nAnswer: 4", "Answer: first guess\nOn reflection no.", "4"),
        ("Reasons.\nFinal answer: 4", "Reasons.", "4"),
        ("Reasons.\nThe answer is 4.", "Reasons.", "4"),
        ("Answer:\n4", "", "4"),
        ("解释\n答案", "解释\n答案", None),
        ("Answer：是", "", "是"),
        ("I do not know.", "I do not know.", None),
        ("Explanation: cut before the", "cut before the", None),
        ("Answer:", "", None),
        ("Answer: ", "", None),
        ("", "", None),
        ('Answer: "yes"', "", "yes"),
        ("Answer: 3.14", "", "3.14"),
        ("An answered question is no answer: see", "An answered question is no answer: see", None),
    ],
)
def test_explanation_and_answer(text: str, explanation: str, final: str | None) -> None:
    answer = parse(text)
    assert (answer.explanation, answer.final) == (explanation, final)
