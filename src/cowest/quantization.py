"""Weights held in 4 bits, the nf4 of QLoRA (Dettmers et al. 2023): how they are loaded, and where adapters say so."""

import importlib.util
import json
import logging
from copy import copy
from pathlib import Path
from typing import Any, Literal

from cowest.errors import InputError

Quantization = Literal["nf4"]

FILE = "quantization_config.json"
"""Beside an adapter: how the weights of its base were held while it was trained, as bitsandbytes' settings."""

# It recommends another package's faster kernel wherever PEFT imports it, also where nothing is in 4 bits.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

_NF4 = {
    "quant_method": "bitsandbytes",
    "load_in_4bit": True,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True,
}


def require(quantization: Quantization | None) -> None:
    """Checks that the package for it is installed.

    Raises:
        InputError: it is not.
    """
    if quantization is not None and importlib.util.find_spec("bitsandbytes") is None:
        raise InputError(
            f"Weights in {quantization} need bitsandbytes, which is not installed. Run: pip install 'cowest[nf4]'. Or "
            "leave out lora.quantize (of a model that is not trained: options.quantize)."
        )


def loading(quantization: Quantization | None, dtype: Any, device: str) -> dict[str, Any]:
    """Further arguments of `from_pretrained`; none where nothing is quantized.

    Args:
        dtype: of torch, in which is computed and in which all other weights are held.
        device: where the weights go. They cannot be moved there later.

    Raises:
        InputError: bitsandbytes is not installed.
    """
    if quantization is None:
        return {}
    require(quantization)
    from transformers import BitsAndBytesConfig

    settings = {name: value for name, value in _NF4.items() if name != "quant_method"}
    return {
        "quantization_config": BitsAndBytesConfig(**settings, bnb_4bit_compute_dtype=dtype),
        "device_map": {"": device},
    }


def settle(model: Any) -> None:
    """Lets a loaded model compute the same in training and in use, with the weights that its 4 bits hold.

    On processors with AVX512-BF16 bitsandbytes rounds inputs to bfloat16 in use, and only there.

    Raises:
        InputError: bitsandbytes unpacks some of the weights wrongly on this processor.
    """
    for name, module in model.named_modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
            _require_exact(name, module.weight)


def _require_exact(name: str, weight: Any) -> None:
    """On processors with AVX-512 bitsandbytes 0.50 takes the scale of another block where blocks cross rows.

    Found by unpacking the same bits as one row, in which no block crosses.
    """
    import torch
    from bitsandbytes.functional import dequantize_4bit

    state = weight.quant_state
    if state.shape[-1] % state.blocksize == 0:
        return
    as_one_row = copy(state)
    as_one_row.shape = torch.Size([state.shape.numel()])
    if not torch.equal(dequantize_4bit(weight.data, state).flatten(), dequantize_4bit(weight.data, as_one_row)):
        raise InputError(
            f"bitsandbytes unpacks the weights of {name} wrongly on this processor: their rows have {state.shape[-1]} "
            f"values, no multiple of {state.blocksize}. Leave out lora.quantize (of a model that is not trained: "
            "options.quantize), or use a GPU."
        )


def beside(adapter: Path) -> Quantization | None:
    """How the weights under an adapter were held while it was trained.

    Raises:
        InputError: the file that says so cannot be read, or says something else than nf4.
    """
    file = adapter / FILE
    if not file.is_file():
        return None
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{str(file)!r} cannot be read ({error}). Train or copy the adapter again.") from error
    if not isinstance(settings, dict) or any(settings.get(name) != value for name, value in _NF4.items()):
        raise InputError(f"{str(file)!r} does not say nf4 with double quantization. Train or copy the adapter again.")
    return "nf4"


def text() -> str:
    """The content of the file."""
    return json.dumps(_NF4, indent=2) + "\n"
