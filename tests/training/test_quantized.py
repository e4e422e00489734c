"""Training over a base in 4 bits: the losses before the first step, what changes, and that the same model drafts."""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from cowest import quantization
from cowest.errors import InputError
from cowest.models.providers import _local_weights
from cowest.stages.align import AlignConfig, align
from cowest.stages.sft import SFTConfig, sft
from cowest.training import LoRAConfig, TrainedModel, loading
from cowest.training import weights as model_files
from cowest.training.reward import ImplicitReward
from tests.alignment.online import run_grpo
from tests.training import tiny
from tests.training.stepped import at
from tests.training.torchrun import run_in_two

LN_2 = math.log(2)
NF4 = LoRAConfig(quantize="nf4")
FAST: dict[str, Any] = {"batch_size": 4, "gradient_accumulation": 1, "learning_rate": 2e-3}
IDS = torch.arange(5, 105)[None]
Trained = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build_for_4_bits(tmp_path_factory.mktemp("models") / "wide")


def state(model: Any) -> Trained:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


@pytest.fixture(scope="module")
def loaded() -> list[Any]:
    """The bases that trainings have loaded, the latest last."""
    return []


@pytest.fixture(scope="module", autouse=True)
def keeping(loaded: list[Any]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        load: Callable[..., Any] = loading.load_model

        def kept(*args: Any, **options: Any) -> Any:
            loaded.append(load(*args, **options))
            loaded[-1].before = state(loaded[-1])
            return loaded[-1]

        patch.setattr(loading, "load_model", kept)
        yield


@pytest.fixture(scope="module")
def start(base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    config = SFTConfig(epochs=4, batch_size=4, gradient_accumulation=1, learning_rate=1e-2)
    return sft(str(base), tiny.examples(4), out=tmp_path_factory.mktemp("nf4") / "sft", config=config, lora=NF4)


def engine_model(folder: Path | str, dtype: str = "float32") -> Any:
    return _local_weights.load_model(_local_weights.find(str(folder)), dtype, "cpu")


def test_only_the_adapter_changes_and_it_is_as_exact_as_over_whole_weights(
    start: TrainedModel, loaded: list[Any]
) -> None:
    (base, *_) = loaded
    after = {name.replace(".base_layer", ""): weight for name, weight in state(base).items()}
    assert {after[name].dtype for name in base.before} == {torch.uint8, torch.float32}
    assert all(torch.equal(after[name], weight) for name, weight in base.before.items())
    for name, weight in tiny.weights_of(str(start.folder)).items():
        assert weight.dtype == torch.float32
        assert weight.abs().sum() > 0
        assert not torch.equal(weight, weight.bfloat16().float()), name  # TRL would have rounded it
    assert start.metrics.final_loss < start.metrics.first_loss
    assert start.metrics.lora["quantize"] == "nf4"
    assert "bitsandbytes" in start.metrics.versions


@pytest.mark.parametrize("bf16", [False, True])
def test_the_model_that_drafts_is_the_one_that_was_trained(
    start: TrainedModel, loaded: list[Any], tmp_path: Path, bf16: bool
) -> None:
    config = AlignConfig(**FAST, epochs=2, bf16=bf16)
    trained = align(start, tiny.pairs(4), out=tmp_path / "a", config=config, lora=NF4)
    with torch.inference_mode():
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            expected = loaded[-1].eval()(IDS).logits
        own = engine_model(tmp_path / "a", "bfloat16" if bf16 else "float32")(IDS).logits
        assert torch.equal(own, expected)
        assert not torch.equal(own, engine_model(str(start.folder), "bfloat16" if bf16 else "float32")(IDS).logits)
    assert trained.metrics.first_loss == pytest.approx(LN_2, abs=1e-6)
    assert trained.metrics.final_loss < LN_2


def test_logits_are_those_of_peft_over_the_quantized_base(start: TrainedModel, base: Path) -> None:
    """And far from those over the whole weights, so that the test above could not pass over these."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    four = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)
    quantized = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, quantization_config=four)
    quantization.settle(quantized)  # else it would round inputs to bfloat16 on processors that compute in it
    whole = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    own = engine_model(str(start.folder))
    with torch.inference_mode():
        by_peft, over_whole = (
            PeftModel.from_pretrained(model, str(start.folder)).eval()(IDS).logits for model in (quantized, whole)
        )
        assert torch.equal(own(IDS).logits, by_peft)
        assert not torch.allclose(by_peft, over_whole, atol=1e-2)


@pytest.mark.slow
def test_each_method_begins_where_sft_ended(start: TrainedModel, tmp_path: Path) -> None:
    kto = AlignConfig(method="kto", batch_size=12, gradient_accumulation=1, learning_rate=5e-3)
    found = align(start, tiny.graded(4), out=tmp_path / "kto", config=kto, lora=NF4).metrics
    assert found.first_loss == pytest.approx(0.5 * (8 * 1.0 + 4 * 2.0) / 12, abs=1e-6)
    rft = align(start, tiny.graded(4), out=tmp_path / "rft", config=AlignConfig(method="rft", **FAST), lora=NF4)
    assert quantization.beside(tmp_path / "rft") == "nf4"
    assert not tiny.same_weights(tmp_path / "rft", str(start.folder))
    assert rft.metrics.versions.keys() == start.metrics.versions.keys()
    grpo = run_grpo(start, tmp_path / "grpo", score=lambda text: 7, epochs=1)  # equal rewards teach nothing
    assert grpo.metrics.first_loss == grpo.metrics.final_loss == 0
    assert tiny.same_weights(tmp_path / "grpo", str(start.folder))


@pytest.mark.slow
def test_over_a_base_without_sft_the_reference_is_that_base_in_4_bits(base: Path, tmp_path: Path) -> None:
    trained = align(str(base), tiny.pairs(4), out=tmp_path / "a", config=AlignConfig(**FAST), lora=NF4)
    assert trained.metrics.first_loss == pytest.approx(LN_2, abs=1e-6)
    assert trained.metrics.reference == str(base)
    assert quantization.beside(tmp_path / "a") == "nf4"


@pytest.mark.slow
def test_a_stopped_training_ends_with_the_same_adapter(start: TrainedModel, tmp_path: Path) -> None:
    config = AlignConfig(batch_size=1, gradient_accumulation=1, learning_rate=1e-3, save_every=2)
    align(start, tiny.pairs(4), out=tmp_path / "whole", config=config, lora=NF4)

    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    with pytest.raises(Stop):
        align(start, tiny.pairs(4), out=tmp_path / "a", config=config, lora=NF4, progress=at(3, stop))
    resumed = align(start, tiny.pairs(4), out=tmp_path / "a", config=config, lora=NF4)
    assert resumed.metrics.resumed_from_step == 2
    assert tiny.same_weights(tmp_path / "a", tmp_path / "whole")


@pytest.mark.slow
def test_rlwf_compares_over_the_quantized_base(start: TrainedModel, tmp_path: Path) -> None:
    after = align(start, tiny.pairs(4), out=tmp_path / "a", config=AlignConfig(**FAST, epochs=4), lora=NF4)
    reward = ImplicitReward(model_files.find(after.model), model_files.find(start.model), 0.1, AlignConfig(bf16=False))
    (pair, *_) = tiny.pairs(4)
    chosen, rejected = reward(pair.prompt, [pair.chosen[0].content, pair.rejected[0].content])
    assert chosen > rejected
    assert getattr(reward._model, "is_loaded_in_4bit", False)


class TestIdentity:
    def test_of_the_default_is_that_of_a_version_without_the_key(self, base: Path) -> None:
        keys = {"r", "alpha", "dropout", "target_modules"}
        assert LoRAConfig().model_dump(mode="json").keys() == keys
        weights = model_files.find(str(base))
        assert model_files.for_training(weights, LoRAConfig()).identity() == weights.identity()
        assert len(weights.identity()) == len(_local_weights.find(str(base)).identity()) == 64

    def test_of_a_quantized_base_is_another(self, base: Path) -> None:
        weights = model_files.find(str(base))
        assert model_files.for_training(weights, NF4).identity() == f"{weights.identity()}+nf4"
        found = _local_weights.find(str(base), quantize="nf4")
        assert found.identity() == f"{_local_weights.find(str(base)).identity()}+nf4"

    @pytest.mark.slow
    def test_another_training_is_not_taken_for_this_one(self, base: Path, tmp_path: Path) -> None:
        config = SFTConfig(batch_size=4, gradient_accumulation=1)
        one = sft(str(base), tiny.examples(4), out=tmp_path / "a", config=config, lora=NF4)
        two = sft(str(base), tiny.examples(4), out=tmp_path / "a", config=config)
        assert one.metrics.fingerprint != two.metrics.fingerprint
        assert not (tmp_path / "a" / quantization.FILE).exists()
        assert _local_weights.find(str(tmp_path / "a")).quantize is None


class TestGoingOn:
    def test_over_other_weights_is_refused(self, start: TrainedModel, base: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"lora\.quantize: nf4, but lora\.quantize is null"):
            align(start, tiny.pairs(2), out=tmp_path / "a", lora=LoRAConfig())
        plain = sft(str(base), tiny.examples(2), out=tmp_path / "plain", config=SFTConfig(**FAST))
        with pytest.raises(InputError, match=r"lora\.quantize: null, but lora\.quantize is nf4"):
            align(plain, tiny.pairs(2), out=tmp_path / "a", lora=NF4)

    def test_of_an_adapter_from_elsewhere_is_as_lora_says(
        self, base: Path, start: TrainedModel, tmp_path: Path
    ) -> None:
        """Nothing says what such an adapter was trained over; of an exported one a file does."""
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (tmp_path / name).write_bytes((Path(str(start.folder)) / name).read_bytes())
        assert model_files.for_training(model_files.find(str(tmp_path)), NF4).quantize == "nf4"
        assert model_files.for_training(model_files.find(str(tmp_path)), LoRAConfig()).quantize is None
        (tmp_path / quantization.FILE).write_text(quantization.text())
        assert model_files.find(str(tmp_path)).quantize == "nf4"
        with pytest.raises(InputError, match=r"quantize is null"):
            model_files.for_training(model_files.find(str(tmp_path)), LoRAConfig())


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"quant_method": "gptq"})])
def test_a_file_beside_an_adapter_that_says_something_else(tmp_path: Path, content: str) -> None:
    (tmp_path / quantization.FILE).write_text(content)
    with pytest.raises(InputError, match=quantization.FILE):
        quantization.beside(tmp_path)


def test_without_the_package_nothing_is_trained(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(InputError, match=r"pip install 'cowest\[nf4\]'"):
        sft(str(base), tiny.examples(2), out=tmp_path / "a", lora=NF4)
    assert not (tmp_path / "a" / "training.json").exists()


@pytest.mark.parametrize("variable", ["ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"])
def test_weights_in_4_bits_are_not_divided_among_processes(
    base: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    weights = model_files.for_training(model_files.find(str(base)), NF4)
    monkeypatch.setenv(variable, "true")
    with pytest.raises(InputError, match="start it without"):
        loading.load_model(weights, bf16=False)


LAUNCHED = """
import sys
from cowest.stages.align import AlignConfig, align
from cowest.stages.sft import SFTConfig, sft
from cowest.training import LoRAConfig
from tests.training import tiny

base, out = sys.argv[1:]
config, lora = SFTConfig(gradient_accumulation=2, learning_rate=1e-2, save_every=2), LoRAConfig(quantize="nf4")
start = sft(base, tiny.examples(16), out=out + "/sft", config=config, lora=lora)
config = AlignConfig(gradient_accumulation=2, learning_rate=1e-3)
align(start, tiny.pairs(8), out=out + "/align", config=config, lora=lora)
"""


@pytest.mark.slow
def test_two_processes_do_what_one_does(base: Path, tmp_path: Path) -> None:
    run_in_two(LAUNCHED, tmp_path, str(base), str(tmp_path / "two"))
    two = TrainedModel.read(tmp_path / "two" / "align")
    assert two.metrics.num_processes == 2
    assert two.metrics.first_loss == pytest.approx(LN_2, abs=1e-6)
    config = SFTConfig(gradient_accumulation=2, learning_rate=1e-2)
    sft(str(base), tiny.examples(16), out=tmp_path / "one", config=config, lora=NF4)
    there = tiny.weights_of(tmp_path / "two" / "sft")
    for name, tensor in tiny.weights_of(tmp_path / "one").items():
        assert there[name].allclose(tensor, atol=1e-4), name
