"""Algorithm 1, lines 15 to 24: a table, and properties over random worlds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowest import preferences
from cowest.types import Draft, GradedDraft, GradedExample, Message, Verdict

PROMPT = (Message(role="user", content="x"),)


def verdict(score: int | None) -> Verdict:
    return Verdict(score=score) if score is not None else Verdict(unscored_reason="no number")


def graded(solo: int, scores: list[int | None], texts: str | None = None) -> GradedExample:
    """An example whose drafts have these scores; `texts` has a letter for each draft, by default another one."""
    drafts = [
        GradedDraft(
            draft=Draft(text=f"draft {texts[index] if texts else index}", sample_index=index),
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


@given(
    solo=st.integers(1, 10),
    drafts=st.lists(
        st.tuples(st.one_of(st.none(), st.integers(1, 10)), st.sampled_from("abc")), min_size=1, max_size=9
    ),
)
def test_drafts_after_settling_change_no_pair(solo: int, drafts: list[tuple[int | None, str]]) -> None:
    scores, texts = [score for score, _ in drafts], "".join(text for _, text in drafts)
    example = graded(solo, scores, texts)
    whole = preferences.pairs(example, PROMPT)
    for count in range(len(scores)):
        if preferences.num_drafts_to_settle(example.drafts[:count], len(scores)) == 0:
            made = example.model_copy(update={"drafts": example.drafts[:count], "skipped": "settled"})
            assert preferences.pairs(made, PROMPT) == whole
            break


@pytest.mark.parametrize(
    ("scores", "texts", "expected"),
    [
        ([10, 10, 1, 1, 1], "aabcd", [(0, 2)]),  # a text counts once, where it came first
        ([10, 1, 10, 1, 1], "abcbd", [(0, 1), (2, 4)]),
        ([10, 1, 10, 1, 1], "aabcd", [(2, 3)]),  # "a" helped once and harmed once: it is in neither set
        ([10, 1], "aa", []),
        ([10, 1, 1, 1, 1], "a" * 5, []),
        ([10, None, 1, None, 1], "aabbb", [(0, 2)]),  # an unscored draft says nothing of its text
        ([10, 1, 10, 1, 10], "abcdb", [(0, 1), (2, 3)]),  # settled with the fourth: the fifth is not looked at
    ],
)
def test_y_plus_and_y_minus_are_sets(scores: list[int | None], texts: str, expected: list[tuple[int, int]]) -> None:
    found = preferences.pairs(graded(3, scores, texts), PROMPT)
    assert [(pair.chosen_sample_index, pair.rejected_sample_index) for pair in found] == expected
    assert all(pair.chosen != pair.rejected for pair in found)


def test_spaces_around_a_text_are_no_difference_and_repeats_are_counted() -> None:
    example = graded(3, [10, 1, 10, None, 1], "abaab")
    padded = example.drafts[4].draft.model_copy(update={"text": "  draft b\n"})
    drafts = (*example.drafts[:4], example.drafts[4].model_copy(update={"draft": padded}))
    assert preferences.num_identical([draft.draft for draft in drafts]) == 3
    assert [len(side) for side in preferences.sets(drafts)] == [1, 1]


def test_gain_needs_both_verdicts() -> None:
    assert preferences.gain(verdict(7), verdict(3)) == 4
    assert preferences.gain(verdict(None), verdict(3)) is None
    assert preferences.gain(verdict(7), verdict(None)) is None
