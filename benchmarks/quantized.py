"""A base in 4 bits beside the same in its own precision: bytes of weights, loss of SFT, tokens per processor second.

Each way is a process of its own; the ways take turns. Training tokens are prompt and completion, drafted ones the new.
Usage: python benchmarks/quantized.py --model FOLDER [--steps 20] [--rounds 3] [--only WAY ...]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from cowest.models.providers import _local_weights
from cowest.models.providers._local_engine import Engine
from cowest.stages.sft import SFTConfig, sft
from cowest.training import LoRAConfig
from cowest.types import ChatRequest, Example, Message, Sampling

WAYS = {
    "float32": (None, False),
    "bfloat16": (None, True),
    "nf4, float32": ("nf4", False),
    "nf4, bfloat16": ("nf4", True),
}
ROWS_A_STEP = 4
SAMPLES, NEW_TOKENS = 4, 16


def examples(count: int) -> list[Example]:
    """Sums of prices, each written out."""
    return [
        Example(
            id=str(number),
            query=f"A lamp costs {number * 7 % 90 + 3} euros and a kettle {number * 11 % 80 + 5}. What do both cost?",
            references=(str(number * 7 % 90 + number * 11 % 80 + 8),),
            explanation=f"The lamp costs {number * 7 % 90 + 3} euros and the kettle {number * 11 % 80 + 5} euros.",
        )
        for number in range(count)
    ]


def size(weights: torch.Tensor) -> int:
    """Bytes."""
    return weights.numel() * weights.element_size()


def size_of_scales(weights: Any) -> int:
    """Bytes of what 4 bits are multiplied with: one byte for 64 weights, and four for 256 of these."""
    state = weights.quant_state
    return size(state.absmax) + size(state.state2.absmax)


def measure(model: str, way: str, steps: int) -> dict[str, Any]:
    quantize, bf16 = WAYS[way]
    with tempfile.TemporaryDirectory() as out:
        marks: list[tuple[float, float]] = []
        trained = sft(
            model,
            examples(steps * ROWS_A_STEP),
            out=out,
            config=SFTConfig(batch_size=4, gradient_accumulation=1, learning_rate=2e-4, bf16=bf16),
            lora=LoRAConfig(quantize=quantize),  # type: ignore[arg-type]
            progress=lambda done, total, metrics: marks.append((time.process_time(), metrics["loss"])),
        )
        folder = _local_weights.find(out)
        engine = Engine("weak", folder, "bfloat16" if bf16 else "float32", "cpu", 0, with_logprobs=False)
        weights = [each for name, each in engine._decoder._model.named_parameters() if "lora_" not in name]
        packed = [each for each in weights if each.dtype == torch.uint8]
        message = (Message(role="user", content=examples(1)[0].query),)
        sampling = Sampling(temperature=1.0, max_tokens=NEW_TOKENS)
        rows = [
            engine.row(ChatRequest(messages=message, sampling=sampling, sample_index=index)) for index in range(SAMPLES)
        ]
        start = time.process_time()
        completions = engine.complete(rows)
        drafting = time.process_time() - start
    losses = [loss for _, loss in marks]
    return {
        "mib": (sum(map(size, weights)) + sum(map(size_of_scales, packed))) / 2**20,
        "linear": (sum(map(size, packed)) + sum(map(size_of_scales, packed))) / 2**20,
        "first": losses[0],
        "last": statistics.mean(losses[-5:]),
        "sft": (trained.metrics.tokens or 0) * (1 - 1 / steps) / (marks[-1][0] - marks[0][0]),
        "drafting": sum(each.usage.completion_tokens for each in completions) / drafting,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=WAYS, nargs="+", default=[*WAYS])
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(measure(str(Path(given.model).resolve()), given.way, given.steps)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in given.only}
    for _ in range(given.rounds):
        for way, results in found.items():
            command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
            output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            results.append(json.loads(output.splitlines()[-1]))
            print(way, results[-1], file=sys.stderr, flush=True)
    print(f"| base | weights, MiB | of these in 4 bits | first loss | mean of the last 5 of {given.steps} | "
          "SFT, tokens/CPU s | drafting, tokens/CPU s |")  # fmt: skip
    print("|---|--:|--:|--:|--:|--:|--:|")
    for way, results in found.items():
        row = {key: statistics.median(each[key] for each in results) for key in results[0]}
        print(
            f"| {way} | {row['mib']:.0f} | {row['linear']:.0f} | {row['first']:.3f} | {row['last']:.3f} "
            f"| {row['sft']:.1f} | {row['drafting']:.1f} |"
        )


if __name__ == "__main__":
    main()
