"""Runs the stages of a recipe in order, skips what is done, runs rounds."""

from cowest.pipeline.belonging import SFT_KEYS
from cowest.pipeline.gathering import RLWF
from cowest.pipeline.order import Pipeline
from cowest.pipeline.saying import Say

__all__ = ["RLWF", "SFT_KEYS", "Pipeline", "Say"]
