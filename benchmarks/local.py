"""The local provider's model below float32: its error against the training model, and its speed.

Compares the two ways to run a LoRA adapter in bfloat16: merged into the rounded weights, and apart from them. The
training model is PEFT's under bfloat16 autocast, as `bf16: true` trains it.
Usage: python benchmarks/local.py [--model FOLDER] [--rows 16] [--tokens 32] [--rounds 5] [--seed 0]
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from cowest.export.merging import merge
from cowest.models.providers import _local_weights
from cowest.models.providers._local_decoding import Decoder, Row
from cowest.types import ChatRequest, Message, Sampling

ENTRIES_OF_B = (3e-4, 1e-3)
"""What the paper's DPO settings leave in B is 2e-4 to 1e-3."""


def tiny_llama(folder: Path) -> Path:
    config = LlamaConfig(
        vocab_size=1000, hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
        max_position_embeddings=1024, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def make_adapter(base: Path, folder: Path, entry: float) -> Path:
    """An adapter of the paper's shape; the entries of B have the mean size `entry`."""
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        LoraConfig(r=16, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=entry * 1.2533)  # the mean of |x| is std * sqrt(2 / pi)
    model.save_pretrained(folder)
    return folder


def base_in(base: Path, dtype: torch.dtype) -> Any:
    return AutoModelForCausalLM.from_pretrained(base, dtype=dtype).eval()


def before(base: Path, adapter: Path) -> Any:
    """As the provider did it: the cast at the end rounds the frequencies of rotary positions too."""
    return merged(base, adapter).bfloat16()


def merged(base: Path, adapter: Path) -> Any:
    return PeftModel.from_pretrained(base_in(base, torch.bfloat16), adapter).merge_and_unload().eval()


def apart(base: Path, adapter: Path) -> Any:
    return _local_weights.load_model(
        _local_weights.ModelFolder(base=base, adapter=adapter, tokenizer=base), "bfloat16", "cpu"
    )


@torch.inference_mode()
def logits(model: Any, ids: torch.Tensor, *, autocast: bool = False) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        return torch.as_tensor(model(input_ids=ids).logits.double())


def print_errors(base: Path, folder: Path, ids: torch.Tensor) -> None:
    print(
        "| entries of B | way | error / logits | error / update's effect | update that arrives |\n|---|---|---|---|---|"
    )
    plain = logits(base_in(base, torch.bfloat16), ids, autocast=True)
    for entry in ENTRIES_OF_B:
        adapter = make_adapter(base, folder / f"adapter-{entry}", entry)
        training = PeftModel.from_pretrained(base_in(base, torch.bfloat16), adapter).eval()
        said = logits(training, ids, autocast=True)
        effect = said - plain
        for name, way in (("merged, rounded frequencies", before), ("merged", merged), ("apart", apart)):
            own = logits(way(base, adapter), ids)
            error = (own - said).norm()
            arrives = ((own - plain) * effect).sum() / effect.square().sum()
            print(
                f"| {entry:g} | {name} | {error / said.norm():.2e} | {error / effect.norm():.3f} | {arrives:.1%} |",
                flush=True,
            )


def print_rounding(base: Path, folder: Path) -> None:
    print("\n| entries of B | update that arrives in merged weights | rounding's error / update |\n|---|---|---|")
    for entry in ENTRIES_OF_B:
        adapter = folder / f"adapter-{entry}"
        _, rounding = merge(base_in(base, torch.bfloat16), str(adapter))
        print(f"| {entry:g} | {rounding.arrives:.1%} | {rounding.error:.3f} |", flush=True)


def seconds(model: Any, prompts: list[tuple[int, ...]], num_tokens: int) -> float:
    """Processor time, which other work on the machine does not lengthen."""
    rows = [
        Row(prompt, ChatRequest(messages=(Message(role="user", content="x"),), sampling=Sampling(), sample_index=index),
            0, num_tokens)
        for index, prompt in enumerate(prompts)
    ]  # fmt: skip
    decoder = Decoder(model, frozenset(), lambda tokens: "", 10**6, with_logprobs=True)
    start = time.process_time()
    decoder.decode(rows)
    return time.process_time() - start


def print_speed(base: Path, adapter: Path, num_rows: int, num_tokens: int, rounds: int) -> None:
    print("\n| rows at once | merged, tokens per CPU second | apart | apart / merged |\n|---|---|---|---|")
    models = {"merged": merged(base, adapter), "apart": apart(base, adapter)}
    for rows in sorted({1, num_rows}):
        prompts = [tuple(torch.randint(5, 900, (64,)).tolist()) for _ in range(rows)]
        for model in models.values():
            seconds(model, prompts, 2)
        took = {name: [] for name in models}
        for _ in range(rounds):
            for name, model in models.items():
                took[name].append(seconds(model, prompts, num_tokens))
        speed = {name: rows * num_tokens / statistics.median(each) for name, each in took.items()}
        ratio = statistics.median(one / other for one, other in zip(took["merged"], took["apart"], strict=True))
        print(f"| {rows} | {speed['merged']:.1f} | {speed['apart']:.1f} | {ratio:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a base model's folder; a random Llama of 3 million weights if none")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    logging.disable_progress_bar()
    torch.manual_seed(given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = given.model or tiny_llama(folder / "base")
        ids = torch.randint(5, 900, (4, 48))
        print_errors(base, folder, ids)
        print_rounding(base, folder)
        if given.rounds:
            print_speed(base, folder / f"adapter-{ENTRIES_OF_B[0]}", given.rows, given.tokens, given.rounds)


if __name__ == "__main__":
    main()
