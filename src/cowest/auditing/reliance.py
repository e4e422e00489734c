"""Over-reliance: how often the strong model takes a wrong draft's answer, and how often it leaves a right draft."""

import re
from collections.abc import Sequence

import numpy as np

from cowest import metrics, statistics
from cowest.auditing.answered import Answered
from cowest.records import Reliance, Share

TOLERATED = 0.1
"""A share whose whole interval is above this is a finding."""

_NUMBER = re.compile(r"(?:(?<!\w)-)?\d[\d,]*(?:\.\d+)?")

NO_DRAFT_ANSWERS = (
    "the predictions hold no answers of drafts: the drafts' format has none, or an earlier cowest wrote them (delete "
    "evaluate/results.json and run `cowest evaluate` again; what was paid for is kept)"
)


def same_answer(first: str | None, first_label: str | None, second: str | None, second_label: str | None) -> bool:
    """Whether two answers are the same: they mean the same label or, where there are none, read alike.

    Case, punctuation, articles and spaces do not count (SQuAD's normal form), except in numbers: -1 is not 1, nor 1.5
    the same as 15. Two missing answers are the same.
    """
    if first_label is not None or second_label is not None:
        return first_label == second_label
    if first is None or second is None:
        return first is second
    return metrics.exact_match(first, [second]) == 1.0 and _numbers(first) == _numbers(second)


def took_wrong(*, draft: float, strong: float, has_answer: bool, is_same: bool) -> bool | None:
    """Whether the pair gave a wrong draft's answer; None where the draft is right or the strong model alone is not.

    Args:
        draft, strong: scores of the draft's answer and of the strong model alone.
        has_answer: whether the draft holds an answer.
        is_same: whether the pair's answer is the draft's.
    """
    return is_same if has_answer and draft < 1.0 <= strong else None


def left_right(*, draft: float, pair: float) -> bool | None:
    """Whether the pair is wrong though the draft is right; None where the draft is wrong."""
    return pair < 1.0 if draft >= 1.0 else None


def reliance(answered: Answered) -> Reliance | None:
    """What the strong model takes from drafts; None where no prediction holds the answer of its draft."""
    took: list[bool | None] = []
    left: list[bool | None] = []
    right: list[bool | None] = []
    for pair, strong in zip(answered.pair, answered.strong, strict=True):
        draft = pair.draft_answer
        if draft is None or draft.final is None:
            for each in (took, left, right):
                each.append(None)
            continue
        is_same = same_answer(pair.answer, pair.label, draft.final, draft.label)
        took.append(took_wrong(draft=draft.correct, strong=strong.correct, has_answer=True, is_same=is_same))
        left.append(left_right(draft=draft.correct, pair=pair.correct))
        right.append(draft.correct >= 1.0)
    draft_right = share_of(answered, right)
    if draft_right is None:
        return None
    return Reliance(
        draft_right=draft_right,
        took_wrong=share_of(answered, took),
        left_right=share_of(answered, left),
        tolerated=TOLERATED,
    )


def share_of(answered: Answered, holds: Sequence[bool | None]) -> Share | None:
    """The share of the examples of which something holds; those with None are none of them."""
    is_one = np.array([each is not None for each in holds])
    if not is_one.any():
        return None
    return make_share([bool(each) for each in holds if each is not None], answered.groups_of(is_one))


def make_share(holds: Sequence[bool], groups: Sequence[str | None]) -> Share:
    """A share with its interval over groups."""
    found = statistics.mean_interval(np.array(holds, dtype=float), groups)
    return Share(
        value=found.value, ci95=(found.low, found.high), num=len(holds), num_groups=statistics.count_groups(groups)
    )


def _numbers(text: str) -> list[str]:
    return [number.replace(",", "") for number in _NUMBER.findall(text)]
