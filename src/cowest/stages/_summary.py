"""The counts in summary.json of a round of feedback: drafts, pairs, calls, tokens, money, and calls saved."""

from collections import Counter
from collections.abc import Mapping, Sequence

from cowest import preferences
from cowest.annotators.base import PERFECT
from cowest.models import Metered
from cowest.pricing import total_usd
from cowest.records import (
    ComparedExample,
    FeedbackSummary,
    GradedExample,
    JudgeAgreement,
    NullControl,
    PreferencePair,
)
from cowest.stages._annotation import FeedbackOutcome


def summarise(
    outcome: FeedbackOutcome,
    pairs: Sequence[PreferencePair],
    roles: Mapping[str, Metered],
    *,
    kind: str,
    samples: int,
    calls_per_draft: int,
    num_identical: int,
    null_control: NullControl | None = None,
    judge_agreement: JudgeAgreement | None = None,
) -> FeedbackSummary:
    """The content of summary.json except `wall_s`.

    `calls` plus `calls_saved` is the number of calls without any of the rules, except for second questions to the
    judge about drafts that were never made.

    Args:
        kind: of feedback.
        samples: K, the drafts per query if no rule saves any.
        calls_per_draft: calls of all models per draft.
        num_identical: calls to the judge saved because it had judged the same text before.
    """
    graded, num_failed = outcome.graded, len(outcome.failures)
    drafts = [draft for example in graded for draft in example.drafts]
    summary = FeedbackSummary(
        kind=kind,
        num_examples=len(graded) + num_failed,
        num_pairs=len(pairs),
        num_drafts=len(drafts),
        num_positive=sum(map(preferences.is_positive, drafts)),
        num_negative=sum(map(preferences.is_negative, drafts)),
        num_unscored=sum(draft.gain is None for draft in drafts),
        num_failed=num_failed,
        num_identical_drafts=sum(preferences.num_identical([d.draft for d in example.drafts]) for example in graded),
        num_drafts_cut=sum(draft.draft.finish_reason == "length" for draft in drafts),
        num_solo_perfect=sum(example.solo_verdict.score == PERFECT for example in graded),
        calls={role: meter.num_calls for role, meter in roles.items()},
        usage={role: meter.usage for role, meter in roles.items()},
        cost_usd=total_usd(meter.cost_usd for meter in roles.values()),
        calls_saved=_calls_saved(graded, samples, calls_per_draft) | {"identical_judge_calls": num_identical},
        null_control=null_control,
        judge_agreement=judge_agreement,
    )
    if not outcome.compared:
        return summary
    return summary.model_copy(update=_counts_of_compared(outcome.compared, num_failed))


def _calls_saved(graded: Sequence[GradedExample], samples: int, calls_per_draft: int) -> dict[str, int]:
    saved = Counter({"solo_perfect": 0, "settled": 0})
    for example in graded:
        if example.skipped is not None and example.skipped in saved:
            saved[example.skipped] += (samples - len(example.drafts)) * calls_per_draft
    return dict(saved)


def _counts_of_compared(compared: Sequence[ComparedExample], num_failed: int) -> dict[str, int]:
    """The counts where drafts were compared with each other, in place of counts of gains.

    The winner of a comparison is positive, the loser negative; without a preference both are unscored.
    """
    comparisons = [comparison for example in compared for comparison in example.comparisons]
    num_decided = sum(preferences.decide(comparison) is not None for comparison in comparisons)
    num_unscored = sum(comparison.preference is None for comparison in comparisons)
    return {
        "num_examples": len(compared) + num_failed,
        "num_drafts": sum(len(example.drafts) for example in compared),
        "num_identical_drafts": sum(preferences.num_identical(example.drafts) for example in compared),
        "num_drafts_cut": sum(draft.finish_reason == "length" for example in compared for draft in example.drafts),
        "num_positive": num_decided,
        "num_negative": num_decided,
        "num_unscored": 2 * num_unscored,
        "num_ties": len(comparisons) - num_decided - num_unscored,
    }
