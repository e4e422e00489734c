"""Weights held in 4 bits, the nf4 of QLoRA (Dettmers et al. 2023): how they are loaded, and where adapters say so."""

import importlib.util
import json
from pathlib import Path
from typing import Any, Literal

from cowest.errors import InputError

Quantization = Literal["nf4"]

FILE = "quantization_config.json"
"""Beside an adapter: how the weights of its base were held while it was trained, as bitsandbytes' settings."""

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
    """Lets a loaded model compute the same in training and in use.

    On processors with AVX512-BF16 bitsandbytes rounds inputs to bfloat16 in use, and only there.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


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
