"""The model that a training changes: the adapter of its start, or a new one where the start is a full model."""

from typing import Any

import peft

from cowest.training.lora import LoRAConfig
from cowest.training.weights import Weights


def open_policy(base: Any, start: Weights, lora: LoRAConfig | None) -> tuple[Any, Any]:
    """The model for a trainer of TRL, and the `peft_config` that makes it take the right reference.

    Args:
        base: the loaded full model of `start`.
        lora: shape of a new adapter; by default the paper's.
    """
    if start.adapter is None:
        # With `peft_config` TRL's reference is the model with the adapter disabled. That is right only here, where the
        # model below the adapter is the one that drafted.
        return base, (lora or LoRAConfig()).to_peft(start.path)
    # With neither `ref_model` nor `peft_config` TRL copies the adapter to a frozen one, "ref". Anything else silently
    # makes the base the reference.
    return peft.PeftModel.from_pretrained(base, str(start.adapter), is_trainable=True), None
