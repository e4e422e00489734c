"""Runs the stages of a recipe in order, round by round, and skips finished ones."""

from cowest.pipeline.feedback import PROBE, RLWF
from cowest.pipeline.pipeline import Pipeline
from cowest.pipeline.progress import Say
from cowest.pipeline.provenance import SFT_KEYS

__all__ = ["PROBE", "RLWF", "SFT_KEYS", "Pipeline", "Say"]
