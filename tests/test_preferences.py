"""Algorithm 1, lines 15 to 24: a table, and properties over random worlds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowest import preferences
from cowest.types import Draft, GradedDraft, GradedExample, Message, Verdict

PROMPT = (Message(role="user", content="x"),)


def verdict(score: int | None) -> Verdict:
    return Verdict(score=score) if score is not None else Verdict(unscored_reason="no number")


def graded(solo: int, scores: list[int | None]) -> GradedExample:
    drafts = [
        GradedDraft(
            draft=Draft(text=f"draft {index}", sample_index=index),
            refined=f"refined {index}",
            verdict=verdict(score),
            gain=preferences.gain(verdict(score), verdict(solo)),
        )
        for index, score in enumerate(scores)
    ]
    return GradedExample(example_id="e", query="x", solo="z", solo_verdict=verdict(solo), drafts=tuple(drafts))


@pytest.mark.parametrize(
    ("solo", "scores", "expected"),
    [
        # E(z), E(y*) of each draft -> (chosen, rejected) sample indices
        (3, [10, 1, 10, 1, 10], [(0, 1), (2, 3)]),
        (3, [1, 1, 10, 10, 10], [(2, 0), (3, 1)]),
        (3, [10, 10, 10, 10, 10], []),
        (3, [1, 1, 1, 1, 1], []),
        (3, [3, 3, 4, 3, 3], [(2, 0)]),  # a tie with z is negative (Delta <= 0)
        (10, [10, 10, 10, 10, 10], []),
        (1, [1, 2, 1, 2, 1], [(1, 0), (3, 2)]),
        (1, [2, None, None, None, 1], [(0, 4)]),  # an unscored draft is on neither side
        (1, [None] * 5, []),
        (5, [6], []),
        (5, [], []),
    ],
)
def test_pairs_follow_algorithm_1(solo: int, scores: list[int | None], expected: list[tuple[int, int]]) -> None:
    found = preferences.pairs(graded(solo, scores), PROMPT)
    assert [(pair.chosen_sample_index, pair.rejected_sample_index) for pair in found] == expected
    assert [pair.pair_index for pair in found] == list(range(len(expected)))
    for pair in found:
        assert pair.gain_chosen > 0 >= pair.gain_rejected
        assert pair.chosen[0].content == f"draft {pair.chosen_sample_index}"
        assert pair.prompt == PROMPT


scores_strategy = st.lists(st.one_of(st.none(), st.integers(1, 10)), max_size=9)


@given(solo=st.integers(1, 10), scores=scores_strategy)
def test_number_of_pairs_is_the_smaller_side(solo: int, scores: list[int | None]) -> None:
    positives = sum(score is not None and score > solo for score in scores)
    negatives = sum(score is not None and score <= solo for score in scores)
    found = preferences.pairs(graded(solo, scores), PROMPT)
    assert len(found) == min(positives, negatives)
    for side in ("chosen_sample_index", "rejected_sample_index"):
        indices = [getattr(pair, side) for pair in found]
        assert indices == sorted(set(indices))


@given(solo=st.integers(1, 10), scores=st.lists(st.integers(1, 10), min_size=1, max_size=9))
def test_drafts_after_settling_change_no_pair(solo: int, scores: list[int]) -> None:
    whole = preferences.pairs(graded(solo, scores), PROMPT)
    for count in range(len(scores)):
        positives = sum(score > solo for score in scores[:count])
        if preferences.num_drafts_to_settle(positives, count - positives, len(scores)) == 0:
            assert preferences.pairs(graded(solo, scores[:count]), PROMPT) == whole


def test_gain_needs_both_verdicts() -> None:
    assert preferences.gain(verdict(7), verdict(3)) == 4
    assert preferences.gain(verdict(None), verdict(3)) is None
    assert preferences.gain(verdict(7), verdict(None)) is None
