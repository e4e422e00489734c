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
    if _is_quantized(base):
        return _over_quantized(base, start, lora), None
    if start.adapter is None:
        # With `peft_config` TRL's reference is the model with the adapter disabled. That is right only here, where the
        # model below the adapter is the one that drafted.
        return base, (lora or LoRAConfig()).to_peft(start.path)
    # With neither `ref_model` nor `peft_config` TRL copies the adapter to a frozen one, "ref". Anything else silently
    # makes the base the reference.
    return peft.PeftModel.from_pretrained(base, str(start.adapter), is_trainable=True), None


def _is_quantized(base: Any) -> bool:
    return bool(getattr(base, "is_loaded_in_4bit", False) or getattr(base, "is_loaded_in_8bit", False))


def _over_quantized(base: Any, start: Weights, lora: LoRAConfig | None) -> Any:
    if start.adapter is not None:
        policy = peft.PeftModel.from_pretrained(base, str(start.adapter), is_trainable=True)
    else:
        # TRL copies a new adapter for the reference, too. It says what the base says: its B is zero.
        policy = peft.get_peft_model(base, (lora or LoRAConfig()).to_peft(start.path))
    # TRL casts adapters on quantized weights to bfloat16. The adapter would not be the one that drafted, and steps of
    # a usual learning rate would be lost in the rounding. Autocast casts it where it is used.
    policy.is_loaded_in_4bit = policy.is_loaded_in_8bit = False
    return policy
