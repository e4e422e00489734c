"""Merging an adapter into the weights of its base, in float32, and what is lost when the sum is rounded."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rounding:
    """What of an adapter's update is in the merged weights.

    Attributes:
        dtype: that the weights are saved in, e.g. "bfloat16".
        arrives: length of the update that the saved weights hold, along the adapter's own update and as a share of it.
        error: size of the difference between the two updates, as a share of the adapter's own (Frobenius norms over all
            weights that the adapter changes).
    """

    dtype: str
    arrives: float
    error: float


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
    arrived = lost = whole = 0.0
    with torch.no_grad():
        for layer in [module for module in adapted.modules() if isinstance(module, BaseTunerLayer)]:
            weights = layer.get_base_layer()
            before = weights.weight.to(exact, copy=True)
            weights.to(exact)
            layer.merge()
            wanted = (weights.weight - before).double()
            weights.to(dtype)
            got = (weights.weight - before).double()
            whole += float(wanted.square().sum())
            arrived += float((wanted * got).sum())
            lost += float((wanted - got).square().sum())
    rounding = Rounding(
        dtype=str(dtype).removeprefix("torch."),
        arrives=arrived / whole if whole else 1.0,
        error=(lost / whole) ** 0.5 if whole else 0.0,
    )
    return adapted.unload(), rounding
