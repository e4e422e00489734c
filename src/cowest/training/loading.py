"""Loads tokenizer, configuration and weights, with clear errors where the libraries' own are not."""

import os
from typing import Any

import safetensors
import torch
import transformers

from cowest import quantization
from cowest.errors import InputError
from cowest.training.weights import Weights
from cowest.words import first_line

_NO_LIMIT = 10**9


def load_tokenizer(weights: Weights) -> Any:
    """The tokenizer, with a padding token.

    Raises:
        InputError: it cannot be loaded, or has no chat template or no end token.
    """
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(weights.tokenizer, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise _cannot_load("tokenizer", weights, error) from error
    if weights.chat_template is not None:
        tokenizer.chat_template = weights.chat_template
    if not tokenizer.chat_template:
        raise InputError(
            f"The tokenizer of {weights.base!r} has no chat template, so nothing says how a question becomes a prompt. "
            "Give an instruction-tuned model, or a base model with weak.chat_template: chatml (or a file)."
        )
    if tokenizer.eos_token_id is None:
        raise InputError(f"The tokenizer of {weights.base!r} has no eos_token, so drafts would not end. Set one in it.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_config(weights: Weights) -> Any:
    """The model's configuration.

    Raises:
        InputError: there is none, or transformers does not know the architecture.
    """
    try:
        return transformers.AutoConfig.from_pretrained(weights.path, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise _cannot_load("configuration", weights, error) from error


def load_model(weights: Weights, *, bf16: bool, device: Any = "cpu") -> Any:
    """The full model, without the adapter.

    Args:
        bf16: bfloat16 in place of float32; where weights are quantized, of the others and of the arithmetic.
        device: where quantized weights go; others are moved by their trainer.

    Raises:
        InputError: the weights are missing, broken or of another model, a package is not installed, or quantized
            weights are to be divided among processes or are unpacked wrongly here.
    """
    if weights.quantize is not None:
        _refuse_sharding(weights.quantize)
    dtype = torch.bfloat16 if bf16 else torch.float32
    held = quantization.loading(weights.quantize, dtype, str(device))
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            weights.path, dtype=dtype, trust_remote_code=False, **held
        )
    except (OSError, ValueError, RuntimeError, KeyError, safetensors.SafetensorError) as error:
        raise _cannot_load("model", weights, error) from error
    quantization.settle(model)
    return model


def context_length(config: Any, tokenizer: Any) -> int | None:
    """Context length in tokens; None where neither model nor tokenizer sets a limit."""
    # Not every architecture has the attribute, and to_dict() has it under the architecture's own name.
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    limits = [limit for limit in (positions, tokenizer.model_max_length) if limit and limit < _NO_LIMIT]
    return min(limits, default=None)


def end_ids(weights: Weights, tokenizer: Any) -> list[int]:
    """Token ids at which sampling stops; the tokenizer's own end token first."""
    try:
        ids = transformers.GenerationConfig.from_pretrained(weights.path).eos_token_id
    except OSError:
        ids = None
    further = ids if isinstance(ids, list) else [ids]
    return [tokenizer.eos_token_id, *(i for i in further if i is not None and i != tokenizer.eos_token_id)]


def _refuse_sharding(quantize: str) -> None:
    for name, variable in (("FSDP", "ACCELERATE_USE_FSDP"), ("DeepSpeed", "ACCELERATE_USE_DEEPSPEED")):
        if os.environ.get(variable, "false").lower() in ("1", "true", "yes"):
            raise InputError(
                f"lora.quantize is {quantize}, and accelerate was started with {name}. Each process holds the whole "
                "base in 4 bits here: start it without, or leave out lora.quantize."
            )


def _cannot_load(what: str, weights: Weights, error: Exception) -> InputError:
    reason = first_line(error)
    return InputError(
        f"The {what} of {weights.base!r} cannot be loaded: {reason} "
        "Give the folder of a whole model, or the id of one on the hub that this machine can reach."
    )
