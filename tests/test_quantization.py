"""Weights in 4 bits: what of bitsandbytes is switched off or refused."""

from pathlib import Path
from typing import Any

import bitsandbytes
import pytest
import torch
from bitsandbytes.nn import Linear4bit, Params4bit

from cowest import quantization
from cowest.errors import InputError
from cowest.models.providers import _local_weights
from tests.training import tiny

unpack = bitsandbytes.functional.dequantize_4bit


def held(rows: int, columns: int) -> torch.nn.Module:
    """A module with one layer in 4 bits, whose weights are within 0 and 1."""
    layer = Linear4bit(columns, rows, bias=False, compute_dtype=torch.float32, quant_type="nf4")
    weights = torch.rand((rows, columns), generator=torch.Generator().manual_seed(0))
    layer.weight = Params4bit(weights, requires_grad=False, quant_type="nf4", module=layer).to("cpu")
    return torch.nn.Sequential(layer)


def takes_scales_of_other_blocks(packed: Any, state: Any) -> Any:
    """Wrong where a block of 64 values crosses rows, as on AVX-512, wherever the test runs."""
    unpacked = unpack(packed, state)
    return unpacked * 2 if len(state.shape) == 2 and state.shape[1] % 64 else unpacked


@pytest.mark.parametrize("columns", [64, 128])
def test_rows_of_whole_blocks_are_exact_on_every_processor(columns: int) -> None:
    model = held(8, columns)
    quantization.settle(model)
    weight = model[0].weight
    flat = torch.rand((8, columns), generator=torch.Generator().manual_seed(0))
    distance = (unpack(weight.data, weight.quant_state) - flat).norm() / flat.norm()
    assert 0.02 < distance < 0.2


@pytest.mark.parametrize("columns", [16, 48, 96])
def test_weights_that_are_unpacked_wrongly_are_refused(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitsandbytes.functional, "dequantize_4bit", takes_scales_of_other_blocks)
    with pytest.raises(InputError, match=rf"weights of 0 wrongly.*{columns} values, no multiple of 64"):
        quantization.settle(held(8, columns))
    quantization.settle(held(8, 64))


def test_narrow_weights_are_exact_or_refused_on_this_processor(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "narrow")
    found = _local_weights.find(str(folder), quantize="nf4")
    plain = _local_weights.load_model(_local_weights.find(str(folder)), "float32", "cpu")
    try:
        model = _local_weights.load_model(found, "float32", "cpu")
    except InputError as error:
        assert "unpacks the weights of model.layers.0" in str(error)  # noqa: PT017 - either is right
        return
    for name, module in model.named_modules():
        if isinstance(module, Linear4bit):
            own = plain.get_submodule(name).weight
            assert (unpack(module.weight.data, module.weight.quant_state) - own).norm() / own.norm() < 0.2


def test_a_model_in_use_computes_as_in_training() -> None:
    model = held(8, 64)
    model[0].support_avx512bf16_for_cpu = True
    quantization.settle(model)
    assert not model[0].support_avx512bf16_for_cpu
