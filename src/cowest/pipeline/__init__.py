"""Runs the stages of a recipe in order, round by round, and skips finished ones."""

from cowest.pipeline.explanations import asks_for_explanations
from cowest.pipeline.feedback import PROBE, RLWF
from cowest.pipeline.pipeline import Pipeline
from cowest.pipeline.progress import Say
from cowest.pipeline.provenance import EXPLANATION_KEYS, SFT_KEYS

__all__ = ["EXPLANATION_KEYS", "PROBE", "RLWF", "SFT_KEYS", "Pipeline", "Say", "asks_for_explanations"]
