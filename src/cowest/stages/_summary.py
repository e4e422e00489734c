"""What summary.json counts of a harvest: drafts, pairs, calls, tokens, money, and the calls that the rules saved."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from cowest import preferences
from cowest.models import Metered
from cowest.types import ComparedExample, GradedExample, PreferencePair


def summarise(
    graded: Sequence[GradedExample],
    pairs: Sequence[PreferencePair],
    roles: dict[str, Metered],
    *,
    kind: str,
    samples: int,
    num_failed: int,
    calls_per_draft: int,
    num_identical: int,
) -> dict[str, Any]:
    """The numbers of summary.json but `wall_s`, `null_control` and `judge_agreement`.

    `calls_saved` and `calls` add up to what the same replies would have cost without any of the rules, but for a
    second question to the judge, which a draft that was never made might have needed.

    Args:
        kind: of feedback.
        samples: K, drafts a query where no rule saves one.
        calls_per_draft: calls that a draft takes, of all models.
        num_identical: calls to the judge that were not made because it had judged the same text.
    """
    drafts = [draft for example in graded for draft in example.drafts]
    saved: Counter[str] = Counter()
    for example in graded:
        if example.skipped in ("solo_perfect", "settled"):
            saved[example.skipped] += (samples - len(example.drafts)) * calls_per_draft
    costs = [meter.cost_usd for meter in roles.values()]
    return {
        "kind": kind,
        "num_examples": len(graded) + num_failed,
        "num_pairs": len(pairs),
        "num_drafts": len(drafts),
        "num_positive": sum(map(preferences.is_positive, drafts)),
        "num_negative": sum(map(preferences.is_negative, drafts)),
        "num_unscored": sum(draft.gain is None for draft in drafts),
        "num_failed": num_failed,
        "num_drafts_cut": sum(draft.draft.finish_reason == "length" for draft in drafts),
        "num_solo_perfect": sum(example.solo_verdict.score == 10 for example in graded),
        "calls": {role: meter.num_calls for role, meter in roles.items()},
        "usage": {role: meter.usage.model_dump() for role, meter in roles.items()},
        "cost_usd": None if None in costs else sum(cost for cost in costs if cost is not None),
        "calls_saved": {
            "solo_perfect": saved["solo_perfect"],
            "settled": saved["settled"],
            "identical_judge_calls": num_identical,
        },
    }


def summarise_compared(compared: Sequence[ComparedExample], num_failed: int) -> dict[str, int]:
    """What stands in summary.json in place of the counts over gains, where drafts were compared with each other.

    A draft is positive that won its comparison, negative that lost it, and unscored where there is no preference.
    """
    comparisons = [comparison for example in compared for comparison in example.comparisons]
    num_decided = sum(preferences.decide(comparison) is not None for comparison in comparisons)
    num_unscored = sum(comparison.preference is None for comparison in comparisons)
    return {
        "num_examples": len(compared) + num_failed,
        "num_drafts": sum(len(example.drafts) for example in compared),
        "num_positive": num_decided,
        "num_negative": num_decided,
        "num_unscored": 2 * num_unscored,
        "num_ties": len(comparisons) - num_decided - num_unscored,
    }
