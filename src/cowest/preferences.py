"""Algorithm 1, lines 15 to 24: which drafts are positive, which negative, and how they are paired."""

from collections.abc import Sequence
from typing import TypeVar

from cowest.types import GradedDraft, GradedExample, Message, PreferencePair, Verdict

Item = TypeVar("Item")


def gain(verdict: Verdict, solo_verdict: Verdict) -> int | None:
    """Delta = E(y*) - E(z) (section 3.3.1); None where either is unscored."""
    if verdict.score is None or solo_verdict.score is None:
        return None
    return verdict.score - solo_verdict.score


def is_positive(draft: GradedDraft) -> bool:
    """Line 15: E(y*) > E(z)."""
    return draft.gain is not None and draft.gain > 0


def is_negative(draft: GradedDraft) -> bool:
    """Line 17: E(y*) <= E(z). An unscored draft is neither positive nor negative."""
    return draft.gain is not None and draft.gain <= 0


def match(positives: Sequence[Item], negatives: Sequence[Item]) -> list[tuple[Item, Item]]:
    """Lines 21 to 24: min(|Y+|, |Y-|) pairs, the j-th positive with the j-th negative, in sampling order."""
    return list(zip(positives, negatives, strict=False))


def num_drafts_to_settle(num_positive: int, num_negative: int, samples: int) -> int:
    """The least number of further drafts after which both sets could hold floor(K/2), so that no more pair is possible.

    Zero means the query is settled: further drafts change no pair (the second exact rule of `skip_settled`).
    """
    half = samples // 2
    return max(0, half - num_positive) + max(0, half - num_negative)


def pairs(graded: GradedExample, prompt: tuple[Message, ...]) -> list[PreferencePair]:
    """The preference pairs of one query, (x, Y+[j], Y-[j]).

    Args:
        graded: its drafts, with their gains.
        prompt: the conversation the drafts were sampled from.
    """
    ordered = sorted(graded.drafts, key=lambda draft: draft.draft.sample_index)
    matched = match([d for d in ordered if is_positive(d)], [d for d in ordered if is_negative(d)])
    return [_pair(graded, prompt, index, chosen, rejected) for index, (chosen, rejected) in enumerate(matched)]


def _pair(
    graded: GradedExample, prompt: tuple[Message, ...], index: int, chosen: GradedDraft, rejected: GradedDraft
) -> PreferencePair:
    assert chosen.gain is not None
    assert rejected.gain is not None
    return PreferencePair(
        prompt=prompt,
        chosen=(Message(role="assistant", content=chosen.draft.text),),
        rejected=(Message(role="assistant", content=rejected.draft.text),),
        example_id=graded.example_id,
        pair_index=index,
        chosen_sample_index=chosen.draft.sample_index,
        rejected_sample_index=rejected.draft.sample_index,
        gain_chosen=chosen.gain,
        gain_rejected=rejected.gain,
        finish_reason_chosen=chosen.draft.finish_reason,
        finish_reason_rejected=rejected.draft.finish_reason,
    )
