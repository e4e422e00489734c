"""From graded or compared drafts to pairs: Algorithm 1, lines 15 to 24, and the winners of comparisons."""

import itertools
from collections.abc import Sequence
from typing import Literal, TypeVar

from cowest.types import (
    ComparedExample,
    Comparison,
    Draft,
    GradedDraft,
    GradedExample,
    Message,
    PreferencePair,
    Verdict,
)

Item = TypeVar("Item")

Choice = Literal["matched", "best_worst", "all"]
"""Which pairs are made of Y+ and Y-."""

PAIRED = "paired"
"""Why fewer than K drafts were made where they end with the first pair of their query."""


def gain(verdict: Verdict, solo_verdict: Verdict) -> int | None:
    """Delta = E(y*) - E(z) (section 3.3.1), of scores or of comparisons with z; None where either is unscored."""
    if verdict.value is None or solo_verdict.value is None:
        return None
    return verdict.value - solo_verdict.value


def is_positive(draft: GradedDraft) -> bool:
    """Line 15: E(y*) > E(z)."""
    return draft.gain is not None and draft.gain > 0


def is_negative(draft: GradedDraft) -> bool:
    """Line 17: E(y*) <= E(z). An unscored draft is neither positive nor negative."""
    return draft.gain is not None and draft.gain <= 0


def match(positives: Sequence[Item], negatives: Sequence[Item]) -> list[tuple[Item, Item]]:
    """Lines 21 to 24: min(|Y+|, |Y-|) pairs, the j-th positive with the j-th negative, in sampling order."""
    return list(zip(positives, negatives, strict=False))


def best_worst(
    positives: Sequence[GradedDraft], negatives: Sequence[GradedDraft]
) -> list[tuple[GradedDraft, GradedDraft]]:
    """The positive with the largest gain and the negative with the smallest, the first of equals; at most one pair."""
    if not positives or not negatives:
        return []
    return [(max(positives, key=_gain), min(negatives, key=_gain))]


def sets(drafts: Sequence[GradedDraft]) -> tuple[list[GradedDraft], list[GradedDraft]]:
    """Y+ and Y- as sets of texts (lines 15 to 20), each draft where its text occurs first, in sampling order.

    A text that is in both sets, since its refined outputs were judged differently, is in neither.
    """
    positives: dict[str, GradedDraft] = {}
    negatives: dict[str, GradedDraft] = {}
    for draft in drafts:
        if draft.gain is not None:
            (positives if is_positive(draft) else negatives).setdefault(_text(draft), draft)
    both = positives.keys() & negatives.keys()
    return (
        [draft for text, draft in positives.items() if text not in both],
        [draft for text, draft in negatives.items() if text not in both],
    )


def num_identical(drafts: Sequence[Draft]) -> int:
    """How many drafts of a query repeat the text of an earlier one."""
    return len(drafts) - len({draft.text.strip() for draft in drafts})


def num_not_drawn(row: GradedExample | ComparedExample, samples: int) -> int:
    """How many of K drafts a query did without, since its drafts ended with its first pair (`until_pair`)."""
    if isinstance(row, ComparedExample):
        return 2 * (samples // 2 - len(row.comparisons))
    return samples - len(row.drafts) if row.skipped == PAIRED else 0


def num_drafts_to_settle(drafts: Sequence[GradedDraft], samples: int) -> int:
    """The least number of further drafts after which Y+ and Y- could both hold floor(K/2) texts.

    Zero means that the query is settled: further drafts are not looked at, whether they are made or not (the second
    rule of `skip_settled`). With K drafts there are floor(K/2) pairs at most.

    Args:
        drafts: those that were made so far, in sampling order.
        samples: K; 2 where the drafts of a query end with its first pair.
    """
    half = samples // 2
    positives, negatives = sets(drafts)
    return max(0, half - len(positives)) + max(0, half - len(negatives))


def decide(comparison: Comparison) -> tuple[int, int] | None:
    """The sample indices of winner and loser; None for a tie, and where there is no preference."""
    if comparison.preference is None or comparison.preference == 0.5:
        return None
    first, second = comparison.first, comparison.second
    return (first, second) if comparison.preference > 0.5 else (second, first)


def pairs(
    graded: GradedExample | ComparedExample, prompt: tuple[Message, ...], choice: Choice = "matched"
) -> list[PreferencePair]:
    """The preference pairs of one query: (x, Y+[j], Y-[j]), or winner and loser of each comparison that has them.

    Args:
        graded: its drafts, with their gains or their comparisons.
        prompt: the conversation the drafts were sampled from.
        choice: of graded drafts: the j-th of Y+ with the j-th of Y-, as in Algorithm 1; the best with the worst; or
            every one of Y+ with every one of Y-. The last two use all drafts, also those after the query was settled.
    """
    if isinstance(graded, ComparedExample):
        drafts = {draft.sample_index: draft for draft in graded.drafts}
        decided = [found for comparison in graded.comparisons if (found := decide(comparison)) is not None]
        return [
            _pair(graded.example_id, prompt, index, drafts[winner], drafts[loser])
            for index, (winner, loser) in enumerate(decided)
        ]
    if choice == "matched":
        chosen_pairs = match(*sets(_until_settled(graded)))
    else:
        positives, negatives = sets(in_order(graded))
        make = best_worst if choice == "best_worst" else itertools.product
        chosen_pairs = list(make(positives, negatives))
    return [
        _pair(graded.example_id, prompt, index, chosen.draft, rejected.draft, (chosen.gain, rejected.gain))
        for index, (chosen, rejected) in enumerate(chosen_pairs)
    ]


def in_order(graded: GradedExample) -> list[GradedDraft]:
    """The drafts of a query in sampling order."""
    return sorted(graded.drafts, key=lambda draft: draft.draft.sample_index)


def _until_settled(graded: GradedExample) -> list[GradedDraft]:
    """The drafts up to the one that settled the query, in sampling order; all of them where none did."""
    ordered = in_order(graded)
    if graded.skipped is not None:  # no draft was made after that one
        return ordered
    counts = range(len(ordered))
    settled = (count for count in counts if num_drafts_to_settle(ordered[:count], len(ordered)) == 0)
    return ordered[: next(settled, len(ordered))]


def _text(draft: GradedDraft) -> str:
    return draft.draft.text.strip()


def _gain(draft: GradedDraft) -> int:
    return draft.gain or 0


def _pair(
    example_id: str,
    prompt: tuple[Message, ...],
    index: int,
    chosen: Draft,
    rejected: Draft,
    gains: tuple[int | None, int | None] = (None, None),
) -> PreferencePair:
    return PreferencePair(
        prompt=prompt,
        chosen=(Message(role="assistant", content=chosen.text),),
        rejected=(Message(role="assistant", content=rejected.text),),
        example_id=example_id,
        pair_index=index,
        chosen_sample_index=chosen.sample_index,
        rejected_sample_index=rejected.sample_index,
        gain_chosen=gains[0],
        gain_rejected=gains[1],
        finish_reason_chosen=chosen.finish_reason,
        finish_reason_rejected=rejected.finish_reason,
    )
