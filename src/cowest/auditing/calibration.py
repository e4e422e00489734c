"""Calibration of the drafts: is the weak model's confidence in an answer the share of them that is right?"""

import numpy as np

from cowest import statistics
from cowest.auditing.answered import Answered
from cowest.records import Calibration, CalibrationBin, Difference, Estimate

MAX_BINS = 10

NO_CONFIDENCE = (
    "the predictions hold no confidence of drafts: the weak model gave no log-probabilities (weak.options: {logprobs: "
    "true}, if its endpoint has them), or drafts hold no answers"
)


def calibration(answered: Answered, min_bin: int) -> Calibration | None:
    """The calibration of the drafts; None where none has an answer and a confidence.

    Args:
        min_bin: there are at most 10 bins, and so many that this number of drafts is in each.
    """
    drafts = [row.draft_answer for row in answered.pair]
    has_confidence = np.array([draft is not None and draft.confidence is not None for draft in drafts])
    if not has_confidence.any():
        return None
    known = [
        (draft.confidence, float(draft.correct >= 1.0))
        for draft in drafts
        if draft is not None and draft.confidence is not None
    ]
    sure, right = np.array(known).T
    groups = answered.groups_of(has_confidence)
    num_bins = min(MAX_BINS, max(1, len(sure) // min_bin))
    found = statistics.reliability(sure, right, groups, num_bins)
    corrected = statistics.holm([each.difference.p_value for each in found.bins])
    return Calibration(
        num_examples=len(sure),
        confidence=float(sure.mean()),
        right=Estimate.of(statistics.mean_interval(right, groups)),
        error=found.error,
        error_if_calibrated=found.error_if_calibrated,
        ranked_right=statistics.ranked_right(sure, right),
        bins=[
            CalibrationBin(
                num_examples=each.num_rows,
                low=each.low,
                high=each.high,
                confidence=each.confidence,
                right=Estimate.of(each.right),
                p_holm=p_holm,
                **dict(Difference.of(each.difference)),
            )
            for each, p_holm in zip(found.bins, corrected, strict=True)
        ],
    )
