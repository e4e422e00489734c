"""Which model answers a request, decided by the draft's confidence: the policy, and the search for one."""

from cowest.gating.policy import ARMS, Arm, Policy, confidence
from cowest.gating.search import Choice, Family, Outcomes, Target, choose, cross_validated

__all__ = [
    "ARMS",
    "Arm",
    "Choice",
    "Family",
    "Outcomes",
    "Policy",
    "Target",
    "choose",
    "confidence",
    "cross_validated",
]
