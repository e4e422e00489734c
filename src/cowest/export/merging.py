"""Merging an adapter into the weights of its base, in float32, and what is lost when the sum is rounded."""

from dataclasses import dataclass
from typing import Any

from cowest.errors import InputError


@dataclass(frozen=True)
class Rounding:
    """What of an adapter's update is in the merged weights.

    Attributes:
        dtype: that the weights are saved in, e.g. "bfloat16".
        arrives: length of the update that the saved weights hold, along the adapter's own update and as a share of it.
        error: size of the difference between the two updates, as a share of the adapter's own (Frobenius norms over all
            weights that the adapter changes).
        quantized: size of the difference between the base's weights and what 4 bits held of them, as a share of the
            former; None where the adapter was trained over the whole weights.
    """

    dtype: str
    arrives: float
    error: float
    quantized: float | None = None


class _Sums:
    """Adds up what of an update arrives."""

    def __init__(self) -> None:
        self._arrived = self._lost = self._whole = 0.0

    def add(self, wanted: Any, got: Any) -> None:
        wanted, got = wanted.double(), got.double()
        self._whole += float(wanted.square().sum())
        self._arrived += float((wanted * got).sum())
        self._lost += float((wanted - got).square().sum())

    def rounding(self, dtype: Any, quantized: float | None = None) -> Rounding:
        return Rounding(
            dtype=str(dtype).removeprefix("torch."),
            arrives=self._arrived / self._whole if self._whole else 1.0,
            error=(self._lost / self._whole) ** 0.5 if self._whole else 0.0,
            quantized=quantized,
        )


def merge(model: Any, adapter: str) -> tuple[Any, Rounding]:
    """Merges a PEFT adapter into `model`, in place and one layer after the other.

    Each layer's sum is taken in float32 and rounded once, to the dtype that the layer had.

    Args:
        model: the base, in the dtype that the weights shall be saved in.
        adapter: a folder.

    Returns:
        The merged model, and what the rounding cost.
    """
    import torch
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTunerLayer

    dtype = model.dtype
    exact = torch.promote_types(dtype, torch.float32)
    adapted = PeftModel.from_pretrained(model, adapter)
    sums = _Sums()
    with torch.no_grad():
        for layer in [module for module in adapted.modules() if isinstance(module, BaseTunerLayer)]:
            weights = layer.get_base_layer()
            before = weights.weight.to(exact, copy=True)
            weights.to(exact)
            layer.merge()
            wanted = weights.weight - before
            weights.to(dtype)
            sums.add(wanted, weights.weight - before)
    return adapted.unload(), sums.rounding(dtype)


def merge_over_quantized(plain: Any, quantized: Any, adapter: str) -> Rounding:
    """Puts into `plain` the weights that an adapter was trained over, multiplied out, with its update added.

    Each sum is taken in float32 and rounded once, to the dtype of `plain`.

    Args:
        plain: the base in the dtype that the weights shall be saved in; changed in place.
        quantized: the same base as it was held in training; the adapter is put on it.
        adapter: a folder.

    Raises:
        InputError: the adapter is more than a product of two matrices (DoRA).
    """
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted = PeftModel.from_pretrained(quantized, adapter)
    if adapted.active_peft_config.use_dora:
        raise InputError(f"The adapter {adapter!r} is of DoRA, which cannot be merged here. Export without --merged.")
    sums = _Sums()
    distance = size = 0.0
    with torch.no_grad():
        for name, module in list(quantized.named_modules()):
            if not isinstance(module, (BaseTunerLayer, Linear4bit)) or name.endswith(".base_layer"):
                continue
            held = module.get_base_layer() if isinstance(module, BaseTunerLayer) else module
            weights = plain.get_submodule(name)
            exact = torch.promote_types(weights.weight.dtype, torch.float32)
            before = held.weight
            if isinstance(held, Linear4bit):
                before = dequantize_4bit(held.weight.data, held.weight.quant_state)  # as training multiplies with it
                distance += float((before.double() - weights.weight.double()).square().sum())
                size += float(weights.weight.double().square().sum())
            before = before.to(exact)
            wanted = torch.zeros_like(before)
            if isinstance(module, BaseTunerLayer):
                for each in module.active_adapters:
                    wanted += module.get_delta_weight(each)
            weights.weight.copy_(before + wanted)
            if isinstance(module, BaseTunerLayer):
                sums.add(wanted, weights.weight.to(exact) - before)
    return sums.rounding(plain.dtype, quantized=(distance / size) ** 0.5 if size else 0.0)
