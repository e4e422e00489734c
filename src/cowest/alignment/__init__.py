"""The methods of alignment; each file is one."""

from cowest.alignment.base import GRADED, PAIRS, AlignmentMethod, Lessons, Training
from cowest.alignment.config import AlignConfig
from cowest.alignment.dpo import DPO
from cowest.alignment.grpo import GRPO
from cowest.alignment.kto import KTO
from cowest.alignment.online import Online
from cowest.alignment.rft import RFT

METHODS: dict[str, type[AlignmentMethod]] = {"dpo": DPO, "kto": KTO, "rft": RFT, "grpo": GRPO}


def load_method(config: AlignConfig) -> AlignmentMethod:
    """The method that a config names."""
    return METHODS[config.method](config)


__all__ = [
    "GRADED",
    "METHODS",
    "PAIRS",
    "AlignConfig",
    "AlignmentMethod",
    "Lessons",
    "Online",
    "Training",
    "load_method",
]
