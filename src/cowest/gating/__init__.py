"""The gate: which model answers a request, decided by the confidence of the draft."""

from cowest.gating.confidence import confidence
from cowest.gating.config import GateConfig
from cowest.gating.search import Choice, Family, Outcomes, Target, choose, cross_validated
from cowest.records import ARMS, Arm, Policy

__all__ = [
    "ARMS",
    "Arm",
    "Choice",
    "Family",
    "GateConfig",
    "Outcomes",
    "Policy",
    "Target",
    "choose",
    "confidence",
    "cross_validated",
]
