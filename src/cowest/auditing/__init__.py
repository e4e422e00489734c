"""The audit of a run: whom the pair helps and harms, what it takes from drafts; from the run's files alone."""

from cowest.auditing.examine import AUDIT, MIN_SLICE, examine, read_audit
from cowest.auditing.findings import findings_of
from cowest.auditing.flips import Answers, compare_answers
from cowest.auditing.reliance import left_right, same_answer, took_wrong
from cowest.auditing.swapping import WordSwap, read_pairs

__all__ = [
    "AUDIT",
    "MIN_SLICE",
    "Answers",
    "WordSwap",
    "compare_answers",
    "examine",
    "findings_of",
    "left_right",
    "read_audit",
    "read_pairs",
    "same_answer",
    "took_wrong",
]
