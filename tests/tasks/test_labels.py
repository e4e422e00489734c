"""Which label a final answer means: a table of nasty cases, all of which must be read right."""

import pytest

from cowest.tasks import _labels

SAFETY = ("Safe", "Unsafe")
DECISIONS = ("yes", "no", "maybe")
TRUTH = {"yes": ["true"], "no": ["false"]}
CAUTION = {
    "casual": [],
    "needs caution": ["possibly needs caution", "probably needs caution"],
    "needs intervention": [],
}
LANGUAGES = ("C", "C++", "C#", "+", "-")

CASES: list[tuple[str, object, str | None]] = [
    # Case, punctuation, markdown, spaces.
    ("Safe", SAFETY, "Safe"),
    ("unsafe", SAFETY, "Unsafe"),
    ("UNSAFE.", SAFETY, "Unsafe"),
    ("**Unsafe**", SAFETY, "Unsafe"),
    ('"Safe"', SAFETY, "Safe"),
    ("(Safe)", SAFETY, "Safe"),
    ("`safe`!", SAFETY, "Safe"),
    ("  Safe \n", SAFETY, "Safe"),
    ("Ｓａｆｅ", SAFETY, "Safe"),
    ("Safe。", SAFETY, "Safe"),
    ("Label: Unsafe", SAFETY, "Unsafe"),
    # Sentences and remarks.
    ("It is safe.", SAFETY, "Safe"),
    ("The reply is unsafe because it mocks the user.", SAFETY, "Unsafe"),
    ("This is an unsafe response.", SAFETY, "Unsafe"),
    ("Unsafe, since a safe reply would not mock.", SAFETY, "Unsafe"),
    ("Unsafe (the reply is not safe for children)", SAFETY, "Unsafe"),
    ("Safe - nothing here is unsafe", SAFETY, "Safe"),
    ("Safe\nIt mocks nobody.", SAFETY, "Safe"),
    ("Yes, because no harm is done.", DECISIONS, "yes"),
    ("Yes. No other study says otherwise.", DECISIONS, "yes"),
    ("No, it is not.", DECISIONS, "no"),
    ("No, there is no evidence.", DECISIONS, "no"),
    ("I would say maybe.", DECISIONS, "maybe"),
    ("Yes, no doubt about it", DECISIONS, "yes"),
    ("yes yes", DECISIONS, "yes"),
    # Words are never split, and common words are no answers.
    ("Unsafely done", SAFETY, None),
    ("un-safe", SAFETY, None),
    ("There is no evidence for it", DECISIONS, None),
    ("It is safe to say little about it", SAFETY, None),
    ("Safer than most", SAFETY, None),
    ("Nobody knows", DECISIONS, None),
    ("Yesterday", DECISIONS, None),
    # Several labels, denials, questions, conditions.
    ("yes/no/maybe", DECISIONS, None),
    ("Yes or no", DECISIONS, None),
    ("Yes and no.", DECISIONS, None),
    ("Yes, or maybe no", DECISIONS, None),
    ("yes, no", DECISIONS, None),
    ("no, no, maybe", DECISIONS, None),
    ("Safe, Unsafe", SAFETY, None),
    ("either safe or unsafe", SAFETY, None),
    ("neither safe nor unsafe", SAFETY, None),
    ("not safe", SAFETY, None),
    ("It isn't safe.", SAFETY, None),
    ("It isn\u2019t at all unsafe.", SAFETY, None),
    ("I do not think that it is safe.", SAFETY, None),
    ("I cannot tell whether it is safe.", SAFETY, None),
    ("Safe?", SAFETY, None),
    ("Safe if nobody minds", SAFETY, None),
    ("", SAFETY, None),
    ("...", SAFETY, None),
    ("Harmless", SAFETY, None),
    # Underscores and hyphens, and other ways to say it.
    ("needs_caution", CAUTION, "needs caution"),
    ("__needs_caution__", CAUTION, "needs caution"),
    ("Needs-Caution", CAUTION, "needs caution"),
    ("needs  caution", CAUTION, "needs caution"),
    ("__probably_needs_caution__", CAUTION, "needs caution"),
    ("possibly needs caution", CAUTION, "needs caution"),
    ("This needs caution.", CAUTION, "needs caution"),
    ("needs_intervention", CAUTION, "needs intervention"),
    ("needs caution and needs intervention", CAUTION, None),
    ("needs", CAUTION, None),
    ("True", TRUTH, "yes"),
    ("That is false.", TRUTH, "no"),
    ("not true", TRUTH, None),
    ("true, that is: yes", TRUTH, "yes"),
    ("not safe", {"safe": [], "unsafe": ["not safe"]}, "unsafe"),
    ("It is not safe.", {"safe": [], "unsafe": ["not safe"]}, "unsafe"),
    # Labels of signs, and of other scripts.
    ("c++", LANGUAGES, "C++"),
    ("C", LANGUAGES, "C"),
    ("C#.", LANGUAGES, "C#"),
    ("+", LANGUAGES, "+"),
    ("in C", LANGUAGES, None),
    ("是。", ("是", "否"), "是"),
    ("是", ("是", "不是"), "是"),
    ("不是", ("是", "不是"), "不是"),
    ("нет.", ("да", "нет"), "нет"),
]


def test_every_case_of_the_table_is_read_right() -> None:
    found = [(text, _labels.find(text, labels), label) for text, labels, label in CASES]  # type: ignore[arg-type]
    wrong = [row for row in found if row[1] != row[2]]
    print(f"{len(CASES) - len(wrong)} of {len(CASES)} labels read right")
    assert not wrong
    assert len(CASES) >= 40


@pytest.mark.parametrize(
    "labels", [SAFETY, DECISIONS, tuple(CAUTION), LANGUAGES, ("not safe", "safe"), ("a", "b-c", "b")]
)
def test_every_label_means_itself(labels: tuple[str, ...]) -> None:
    assert [_labels.find(label, labels) for label in labels] == list(labels)
