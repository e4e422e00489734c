"""What the strong model takes from drafts, counted by hand."""

import pytest

from cowest.auditing import same_answer
from cowest.auditing.answered import Answered
from cowest.auditing.reliance import reliance
from cowest.records import Prediction
from cowest.types import DraftAnswer

# strong model alone right, draft right, the draft's answer, the pair's answer, pair right
ROWS = [
    (True, False, "b", "b", False),  # takes the wrong draft's answer
    (True, False, "b", "The B.", False),  # the same answer, written in another way
    (True, False, "b", "c", False),  # wrong, but not the draft's
    (True, False, "b", "a", True),  # keeps its own
    (True, False, None, "b", False),  # the draft holds no answer
    (False, False, "b", "b", False),  # it was wrong anyway
    (True, True, "a", "a", True),
    (False, True, "a", "b", False),  # leaves the right draft
    (False, True, "a", "a", True),
]


def made(rows: list[tuple[bool, bool, str | None, str | None, bool]]) -> Answered:
    pair, strong = [], []
    for number, (alone, drafted, draft, answer, together) in enumerate(rows):
        example = {"id": f"q{number}", "query": "?", "reference": ("a",)}
        found = DraftAnswer(final=draft, correct=float(drafted))
        pair.append(
            Prediction(method="p", answer=answer, correct=float(together), draft_answer=found, **example)  # type: ignore[arg-type]
        )
        strong.append(Prediction(method="s", correct=float(alone), **example))  # type: ignore[arg-type]
    return Answered("p", pair, strong, None)


def test_shares_are_of_the_examples_that_they_are_about() -> None:
    found = reliance(made(ROWS))
    assert found is not None
    assert (found.draft_right.value, found.draft_right.num) == (pytest.approx(3 / 8), 8)
    assert found.took_wrong is not None
    assert (found.took_wrong.value, found.took_wrong.num) == (pytest.approx(2 / 4), 4)
    assert found.left_right is not None
    assert (found.left_right.value, found.left_right.num) == (pytest.approx(1 / 3), 3)


def test_a_share_of_nothing_is_none() -> None:
    found = reliance(made([(False, False, "b", "b", False)]))
    assert found is not None
    assert (found.took_wrong, found.left_right) == (None, None)
    assert reliance(made([(True, False, None, "b", False)])) is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (("yes", None), ("Yes.", None), True),
        (("the town", None), ("town", None), True),
        (("B", None), ("C", None), False),
        (("-1", None), ("1", None), False),
        (("1.5 mg", None), ("15 mg", None), False),
        (("1,500", None), ("1500.", None), True),
        ((None, None), (None, None), True),
        ((None, None), ("a", None), False),
        (("(b) two", "B"), ("B", "B"), True),
        (("B", "B"), ("B", None), False),  # where there are labels, they decide
    ],
)
def test_answers_are_the_same_by_label_or_by_text(
    first: tuple[str | None, str | None], second: tuple[str | None, str | None], expected: bool
) -> None:
    assert same_answer(*first, *second) is expected
