"""Every family of models goes the whole way: SFT, drafts, DPO, drafts, export of the adapter and of merged weights."""

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from cowest.export import write_folder
from cowest.models.config import ModelConfig
from cowest.models.providers import _local_weights
from cowest.models.providers.local import LocalModel
from cowest.stages.align import AlignConfig, align
from cowest.stages.sft import SFTConfig, sft
from cowest.training import LoRAConfig, TrainedModel
from cowest.types import ChatRequest, Message, Sampling
from tests.export.sample import finish
from tests.training import tiny

WINDOW = 16
"""Shorter than every prompt here, so that a layer with a sliding window forgets its beginning."""

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
}
BOTH_KINDS = {"head_dim": 16, "sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": SIZES,
    "mistral": SIZES | {"sliding_window": WINDOW},
    "qwen2": SIZES,
    "qwen3": SIZES | {"head_dim": 16},
    "gemma2": SIZES | BOTH_KINDS,
    "gemma3_text": SIZES | BOTH_KINDS,
    "phi3": SIZES | {"sliding_window": WINDOW},
    "olmo2": SIZES,
    "gpt2": {"n_positions": 512, "n_embd": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.2},
}
IN_THE_SUITE = ("gemma3_text", "phi3", "gpt2")
"""Two kinds of attention and tied embeddings; fused projections; fused projections of weights that lie transposed."""

PROMPTS = ["twice 37?", "three times 1005, and then once more?"]
LORA = LoRAConfig(r=4, alpha=4)
FAST = {"batch_size": 4, "gradient_accumulation": 1, "learning_rate": 5e-3}


def build(folder: Path, family: str) -> Path:
    torch.manual_seed(0)
    tokenizer = tiny.make_tokenizer()
    special = {"bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0}
    config = AutoConfig.for_model(family, vocab_size=len(tokenizer), **special, **FAMILIES[family])
    model = AutoModelForCausalLM.from_config(config)
    if model.config.tie_word_embeddings:
        with torch.no_grad():  # else it would repeat its last token for ever
            model.get_input_embeddings().weight *= 0.1
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def drafts(location: str) -> list[str]:
    model = LocalModel.from_config(ModelConfig(model=location, options={"dtype": "float64"}), 0)

    async def all_of_them() -> list[str]:
        requests = [
            ChatRequest(
                messages=(Message(role="user", content=prompt),), sampling=Sampling(temperature=0.0, max_tokens=24)
            )
            for prompt in PROMPTS
        ]
        return [reply.text for reply in await asyncio.gather(*(model.complete(request) for request in requests))]

    try:
        return asyncio.run(all_of_them())
    finally:
        asyncio.run(model.close())


def generated(base: Path, adapter: str | None) -> list[str]:
    """What `generate` writes with the same model, one prompt at a time."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter).double()
    texts = []
    for prompt in PROMPTS:
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt"
        )["input_ids"]
        reply = model.generate(input_ids=ids, do_sample=False, max_new_tokens=24)[0, ids.shape[1] :]
        texts.append(tokenizer.decode(reply, skip_special_tokens=True))
    return texts


@pytest.mark.parametrize(
    "family", [each if each in IN_THE_SUITE else pytest.param(each, marks=pytest.mark.slow) for each in FAMILIES]
)
def test_a_family_goes_the_whole_way(family: str, tmp_path: Path) -> None:
    base, run = build(tmp_path / family, family), tmp_path / "run"
    taught = sft(str(base), tiny.examples(8), out=run / "sft", config=SFTConfig(**FAST, epochs=4), lora=LORA)
    before = drafts(taught.model)
    assert before == generated(base, taught.folder)
    assert before != drafts(f"local/{base}")

    aligned = align(
        taught, tiny.pairs(8), out=run / "round-1" / "align", config=AlignConfig(**FAST, epochs=4), lora=LORA
    )
    assert aligned.metrics.first_loss == pytest.approx(math.log(2), abs=1e-4)
    assert aligned.metrics.final_loss is not None
    assert aligned.metrics.final_loss < math.log(2)
    after = drafts(aligned.model)
    assert after == generated(base, aligned.folder)

    finish(run, base)
    write_folder(run, tmp_path / "adapter")
    write_folder(run, tmp_path / "merged", merged=True)
    assert drafts(f"local/{tmp_path / 'merged' / 'model'}") == after
    assert_same_logits(base, aligned, tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
def test_below_float32_a_family_drafts_with_the_numbers_of_training(family: str, tmp_path: Path) -> None:
    base = build(tmp_path / family, family)
    torch.manual_seed(1)
    lora = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base), lora)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=1e-3)
    adapted.save_pretrained(tmp_path / "adapter")
    ids = torch.arange(5, 85).reshape(2, 40)
    base_model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        trained = PeftModel.from_pretrained(base_model, tmp_path / "adapter").eval()(input_ids=ids).logits
    drafting = _local_weights.load_model(_local_weights.find(str(tmp_path / "adapter")), "bfloat16", "cpu")
    with torch.no_grad():
        assert torch.equal(drafting(input_ids=ids).logits, trained)


def assert_same_logits(base: Path, aligned: TrainedModel, exports: Path) -> None:
    ids = torch.arange(5, 45)[None]

    def logits(model: Any) -> torch.Tensor:
        with torch.no_grad():
            return torch.as_tensor(model.eval()(input_ids=ids).logits)

    def with_adapter(folder: str | Path) -> torch.Tensor:
        return logits(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder))

    assert aligned.folder is not None
    trained = with_adapter(aligned.folder)
    merged = logits(AutoModelForCausalLM.from_pretrained(exports / "merged" / "model"))
    assert torch.equal(with_adapter(exports / "adapter" / "model"), trained)
    assert torch.allclose(merged, trained, atol=1e-4, rtol=1e-4)
