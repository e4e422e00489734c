"""Replies to tasks with labels or options: a table of the forms that models give them, all of which must be read right.

The forms were collected from replies of pretrained models to the seven data sets (docs/answers.md); the words are ours.
"""

import time

import pytest

from cowest import answers
from cowest.tasks._choices import ChoiceVocabulary
from cowest.tasks._labels import LabelVocabulary

TRUTH = {"yes": ("true",), "no": ("false",)}
DECISIONS = ("yes", "no", "maybe")
SAFETY = ("Safe", "Unsafe")
CAUTION = {
    "casual": (),
    "needs caution": ("possibly needs caution", "probably needs caution"),
    "needs intervention": (),
}
VITAMINS = ["Vitamin A", "Vitamin C", "Vitamin B12", "Folic acid"]
DOSES = ["0.1 mg", "0.2 mg", "0.3 mg", "0.4 mg"]

LABELS: list[tuple[str, object, str | None]] = [
    # The reply is the answer, bare or with a reason behind it.
    ("no", TRUTH, "no"),
    ("No.", TRUTH, "no"),
    ("**Yes**", TRUTH, "yes"),
    ("True", TRUTH, "yes"),
    ("yes\n", DECISIONS, "yes"),
    ("maybe", DECISIONS, "maybe"),
    ("Safe.", SAFETY, "Safe"),
    ("needs_caution", CAUTION, "needs caution"),
    ("casual", CAUTION, "casual"),
    ("Yes, because bees can fly that far.", TRUTH, "yes"),
    ("No, a bee would not fly that far.", TRUTH, "no"),
    ("No. A bee does not fly that far. It tires after a mile, and there are no flowers on the way.", TRUTH, "no"),
    ("Yes\n\nA bee can fly five miles.", TRUTH, "yes"),
    ("Yes - the trial showed a smaller risk.", DECISIONS, "yes"),
    ("Unsafe\nExplanation: it mocks the other.", SAFETY, "Unsafe"),
    ("The utterance needs caution.", CAUTION, "needs caution"),
    ("The reply is safe in its context.", SAFETY, "Safe"),
    ("It is unsafe because it mocks the other.", SAFETY, "Unsafe"),
    ("The utterance is not only rude but also needs caution.", CAUTION, "needs caution"),
    ("The utterance is not only not kind but also needs caution.", CAUTION, "needs caution"),
    ("The utterance is not only casual but also needs caution.", CAUTION, "needs caution"),
    ("The utterance is a bit too casual and needs caution.", CAUTION, "needs caution"),
    ("Explanation: The utterance needs caution from all who reply. They should ask why.", CAUTION, "needs caution"),
    ("It is far. However, the answer is no, as the answer is not a plain no.", TRUTH, "no"),
    ("The answer is not safe in its context. It mocks a stranger.", {"Safe": (), "Unsafe": ("not safe",)}, "Unsafe"),
    # A mark other than "Answer:".
    ("Final result: no", TRUTH, "no"),
    ("**Final Result:** Yes", TRUTH, "yes"),
    ("Bees tire.\nFinal result: No.", TRUTH, "no"),
    ("So the result is no.", TRUTH, "no"),
    ("So the answer would be no", TRUTH, "no"),
    ("The answer to the question is yes. Bees fly far.", TRUTH, "yes"),
    ("Label: Unsafe", SAFETY, "Unsafe"),
    # The reply ends with the answer.
    ("Bees fly five miles. The town is two miles away. Therefore, yes.", TRUTH, "yes"),
    ("Bees fly five miles, and the town is ten miles away.\n\nSo, in conclusion, no.", TRUTH, "no"),
    ("Bees tire after a mile.\n\nNo", TRUTH, "no"),
    ("It mocks a stranger. Therefore, the reply is unsafe.", SAFETY, "Unsafe"),
    ("It speaks of weather only. So it is casual.", CAUTION, "casual"),
    # Several marks, of which the last counts, and remarks that are no answers.
    ("No.\n\nThe answer is no. Bees tire.", TRUTH, "no"),
    ("Yes.\n\nOn reflection: the answer is no.", TRUTH, "no"),
    ("Yes.\n\nThe answer is a matter of wind.", TRUTH, "yes"),
    ("The answer is no. The answer is a matter of wind, but the answer is no.", TRUTH, "no"),
    ("No, it tires. Answer: The bee did not fly that far.", TRUTH, "no"),
    # No answer, two, or a denial. Nothing is guessed.
    ("Answer: The bee did not fly that far.", TRUTH, None),
    ("The bee did not fly that far.", TRUTH, None),
    ("There is no evidence for bees in town.", TRUTH, None),
    ("There is no bee that flies so far. It tires after a mile.", TRUTH, None),
    ("To say yes or no, one must know the wind.", TRUTH, None),
    ("If the wind is strong, no.", TRUTH, None),
    ("Yes. Bees fly five miles. Therefore, no.", TRUTH, None),
    ("Answer: yes or no", TRUTH, None),
    ("Yes. It may be otherwise. Answer: yes or no", TRUTH, None),
    ("It is true that bees fly. Whether they fly so far depends on the wind", TRUTH, None),
    ("While it is true, bees tire.", TRUTH, None),
    ("It could be safe.", SAFETY, None),
    ("The reply is safe. It mocks nobody. Still, it is unsafe.", SAFETY, None),
    ("The reply is safe.\n\nThe reply is unsafe, as it mocks a stranger. It is a sym", SAFETY, None),
    ("The context is safe, but the reply is not.", SAFETY, None),
    ("Is the reply safe?", SAFETY, None),
    ("A safe reply would not mock", SAFETY, None),
    ("The reply mocks a stranger and is", SAFETY, None),
    ("needs", CAUTION, None),
    ("", TRUTH, None),
]

CHOICES: list[tuple[str, list[str], str | None]] = [
    # The letter, or the text, or both, alone or before a reason.
    ("C", VITAMINS, "C"),
    ("(C)", VITAMINS, "C"),
    ("**C**", VITAMINS, "C"),
    ("C) Vitamin B12", VITAMINS, "C"),
    ("C Vitamin B12", VITAMINS, "C"),
    ("(C) Vitamin B12.", VITAMINS, "C"),
    ("C: Vitamin B12", VITAMINS, "C"),
    ("Vitamin B12", VITAMINS, "C"),
    ("Folic acid.", VITAMINS, "D"),
    ("C) Vitamin B12\n\nExplanation: it is stored in the liver.", VITAMINS, "C"),
    ("C. Vitamin B12\n\nIt is stored in the liver. Vitamin A is not.", VITAMINS, "C"),
    ("(C) Vitamin B12 is stored in the liver for years.", VITAMINS, "C"),
    ("Vitamin B12 is the one that is stored longest.", VITAMINS, "C"),
    # A mark, in one of its forms.
    ("Final result: C", VITAMINS, "C"),
    ("**Final Result:** (C) Vitamin B12", VITAMINS, "C"),
    ("The result is C.", VITAMINS, "C"),
    ("The correct option is C.", VITAMINS, "C"),
    ("The correct answer is C) Vitamin B12.", VITAMINS, "C"),
    ("The correct answer is Vitamin B12", VITAMINS, "C"),
    ("Vitamin A\n\nThe correct answer is C) Vitamin B12.", VITAMINS, "C"),
    ("C) Vitamin B12\n\nThe correct answer is:", VITAMINS, "C"),
    # A sentence that names one option, at the beginning or end.
    ("The vitamin that is stored longest is Vitamin B12.", VITAMINS, "C"),
    ("The vitamin that is not made by plants is (C) Vitamin B12.", VITAMINS, "C"),
    ("It is stored in the liver. Therefore, option C is right.", VITAMINS, "C"),
    ("It is stored in the liver. So the loss was due to folic acid.", VITAMINS, "D"),
    ("Plants do not make it.\n\n(C) Vitamin B12", VITAMINS, "C"),
    # None, several, a contradiction, a denial.
    ("C) 0.4 mg", DOSES, None),
    ("(C) Vitamin D", VITAMINS, None),
    ("(C) Vitamin A", VITAMINS, None),
    ("The correct answer is (C) Vitamin A.", VITAMINS, None),
    ("It could be A or B.", VITAMINS, None),
    ("Answer: A or B", VITAMINS, None),
    ("A\n\nIt is stored in the liver.\n\nB", VITAMINS, None),
    ("(A) Vitamin A\n(B) Vitamin C\n(C) Vitamin B12\n(D) Folic acid", VITAMINS, None),
    ("It is not Vitamin A.", VITAMINS, None),
    ("Option A is wrong.", VITAMINS, None),
    ("A vitamin is stored in the liver.", VITAMINS, None),
    ("Vitamin A and Vitamin C are stored in the liver.", VITAMINS, None),
    ("The liver stores vitamins for years.", VITAMINS, None),
    ("Vitamin D", VITAMINS, None),
    ("", VITAMINS, None),
]


def test_every_reply_with_a_label_is_read_right() -> None:
    wrong = []
    for text, labels, label in LABELS:
        vocabulary = LabelVocabulary(labels)  # type: ignore[arg-type]
        final = answers.parse(text, vocabulary).final
        found = None if final is None else vocabulary.means(final)
        if found != label:
            wrong.append((text, final, found, label))
    print(f"{len(LABELS) - len(wrong)} of {len(LABELS)} replies read right")
    assert not wrong


def test_every_reply_with_an_option_is_read_right() -> None:
    wrong = []
    for text, options, letter in CHOICES:
        vocabulary = ChoiceVocabulary(options)
        final = answers.parse(text, vocabulary).final
        found = None if final is None else vocabulary.means(final)
        if found != letter:
            wrong.append((text, final, found, letter))
    print(f"{len(CHOICES) - len(wrong)} of {len(CHOICES)} replies read right")
    assert not wrong


@pytest.mark.parametrize(
    "piece", ["yes ", "(A) ", "is A. ", "the answer is A ", "Answer: A or B\n", "x", "Vitamin A ", "no, "]
)
@pytest.mark.parametrize("vocabulary", [LabelVocabulary(TRUTH), ChoiceVocabulary(VITAMINS)], ids=["labels", "options"])
def test_long_replies_take_no_longer_than_their_length(
    piece: str, vocabulary: LabelVocabulary | ChoiceVocabulary
) -> None:
    started = time.process_time()
    answers.parse(piece * (40_000 // len(piece)), vocabulary)
    assert time.process_time() - started < 3
