"""Exports of an adapter that was trained over a base in 4 bits."""

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from cowest import quantization
from cowest.errors import InputError
from cowest.export import write_folder
from cowest.models.providers import _local_weights
from cowest.runs import write_json
from cowest.training import LoRAConfig
from cowest.training import weights as model_files
from tests.training import tiny

IDS = torch.tensor([[7, 8, 9, 10]])
FOUR_BITS = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)


@pytest.fixture
def quantized(run: Path) -> Path:
    (run / "round-1" / "align" / quantization.FILE).write_text(quantization.text())
    return run


def change(file: Path, **values: object) -> None:
    write_json(file, json.loads(file.read_text()) | values)


def words_of(card: Path) -> str:
    return " ".join(card.read_text(encoding="utf-8").split())


def test_merged_weights_are_those_of_training_multiplied_out(quantized: Path, base: Path, tmp_path: Path) -> None:
    adapter = quantized / "round-1" / "align"
    write_folder(quantized, tmp_path / "out", merged=True)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "model")
    trained = _local_weights.load_model(_local_weights.find(str(adapter)), "float32", "cpu")
    whole = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
    with torch.inference_mode():
        said = merged(IDS).logits
        assert torch.allclose(said, trained(IDS).logits, atol=1e-5)
        assert not torch.allclose(said, whole(IDS).logits, atol=1e-2)
    got = load_file(tmp_path / "out" / "model" / "model.safetensors")
    assert got.keys() == load_file(base / "model.safetensors").keys()
    assert {weight.dtype for weight in got.values()} == {torch.float32}
    plain = AutoModelForCausalLM.from_pretrained(base)
    held = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, quantization_config=FOUR_BITS).dequantize()
    names = [name for name in got if "_proj" in name]
    own = torch.cat([plain.state_dict()[name].flatten() for name in names])
    distance = (torch.cat([held.state_dict()[name].flatten() for name in names]) - own).norm() / own.norm()
    assert 0.02 < distance < 0.2
    card = words_of(tmp_path / "out" / "model" / "README.md")
    assert f"differs from the base's own weights by {distance:.1%}" in card
    assert "100.0% arrives" in card


def test_the_rounding_of_what_was_multiplied_out_counts(quantized: Path, tmp_path: Path) -> None:
    """4 bits hold numbers that bfloat16 has not, so that more is rounded than the update."""
    base = tiny.build_for_4_bits(tmp_path / "coarse-base", dtype=torch.bfloat16)
    adapter = quantized / "round-1" / "align"
    change(adapter / "training.json", base=str(base))
    change(adapter / "adapter_config.json", base_model_name_or_path=str(base))
    write_folder(quantized, tmp_path / "out", merged=True)
    held = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, quantization_config=FOUR_BITS).dequantize()
    before = {name: weight.clone() for name, weight in held.state_dict().items()}
    wanted = PeftModel.from_pretrained(held, adapter).merge_and_unload().state_dict()
    got = load_file(tmp_path / "out" / "model" / "model.safetensors")
    assert {weight.dtype for weight in got.values()} == {torch.bfloat16}
    assert all(torch.equal(weight, wanted[name].bfloat16()) for name, weight in got.items())
    update = torch.cat([(wanted[name] - before[name]).flatten() for name in got if "_proj" in name])
    saved = torch.cat([(got[name].float() - before[name]).flatten() for name in got if "_proj" in name])
    error = (saved - update).norm() / update.norm()
    assert f"error is {error:.3f} times" in words_of(tmp_path / "out" / "model" / "README.md")


def test_the_adapter_says_what_it_was_trained_over(quantized: Path, tmp_path: Path) -> None:
    write_folder(quantized, tmp_path / "out")
    model = tmp_path / "out" / "model"
    assert quantization.beside(model) == "nf4"
    assert 'bnb_4bit_quant_type="nf4"' in (model / "README.md").read_text(encoding="utf-8")
    with pytest.raises(InputError, match=r"lora\.quantize is null"):
        model_files.for_training(model_files.find(str(quantized / "round-1" / "align")), LoRAConfig(r=2, alpha=8))


def test_an_adapter_that_is_no_product_of_two_matrices_is_not_merged(quantized: Path, tmp_path: Path) -> None:
    change(quantized / "round-1" / "align" / "adapter_config.json", use_dora=True)
    with pytest.raises(InputError, match="DoRA"):
        write_folder(quantized, tmp_path / "out", merged=True)
