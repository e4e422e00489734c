"""SFT, DPO and drafting of a local model: tokens per second of processor time, beside plain TRL and transformers.

Each measurement is a process of its own, since settings of the heap hold for a whole process; the ways take turns. The
libraries' way to train is TRL's trainer with the arguments that cowest gives it, and to draft `generate`.
Usage: python benchmarks/local_speed.py --model FOLDER [--rows 24] [--samples 4] [--tokens 32] [--rounds 3] [--bf16]
"""

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cowest import heap
from cowest.models.providers import _local_weights
from cowest.models.providers._local_decoding import Decoder, Row
from cowest.training import LoRAConfig, TrainedModel, TrainingSettings, preference, supervised, weights
from cowest.training.rows import ChatRow
from cowest.types import ChatRequest, Message, Sampling

WORK = ("sft", "dpo", "drafting")
WORDS = (
    "a blue box costs the customer eleven more than one red bag so shipping to each region is free of charge".split()
)


def text(numbers: random.Random, low: int, high: int) -> str:
    return " ".join(numbers.choices(WORDS, k=numbers.randint(low, high)))


def chat_rows(count: int, num_completions: int) -> list[ChatRow]:
    numbers = random.Random(0)
    return [
        ChatRow(
            str(index),
            [Message(role="user", content=text(numbers, 50, 110))],
            tuple(text(numbers, 20, 60) for _ in range(num_completions)),
        )
        for index in range(count)
    ]


class Usage:
    """Processor time and page faults of this process since the first of several marks."""

    def __init__(self) -> None:
        self.marks: list[resource.struct_rusage] = []

    def mark(self, *_: object) -> None:
        self.marks.append(resource.getrusage(resource.RUSAGE_SELF))

    def print(self, tokens: float) -> None:
        first, last = self.marks[0], self.marks[-1]
        system = last.ru_stime - first.ru_stime
        print(tokens, last.ru_utime - first.ru_utime + system, system, last.ru_minflt - first.ru_minflt, last.ru_maxrss)


def as_libraries_do() -> None:
    heap.keep_freed_memory = lambda: None
    supervised.score_completions_only = preference.score_completions_only = lambda trainer: None


def train(work: str, model: str, num_rows: int, *, bf16: bool) -> None:
    """Prints what the steps after the first took."""
    usage = Usage()
    settings = TrainingSettings(batch_size=4, gradient_accumulation=2, learning_rate=1e-4, bf16=bf16)
    common: dict[str, Any] = {"settings": settings, "lora": LoRAConfig(), "seed": 0, "untrainable": []}
    start = weights.find(model)
    with tempfile.TemporaryDirectory() as name:
        common |= {"out": Path(name), "progress": usage.mark}
        result: TrainedModel = (
            supervised.train_supervised(start, chat_rows(num_rows, 1), **common)
            if work == "sft"
            else preference.train_preference(
                start, chat_rows(num_rows, 2), loss=preference.PairLoss(beta=0.1), **common
            )
        )
    steps = len(usage.marks)
    usage.print((result.metrics.tokens or 0) * (steps - 1) / steps)


def draft(model: str, num_rows: int, num_samples: int, num_tokens: int, *, bf16: bool, plain: bool) -> None:
    """Prints what new tokens took, prefill included; every row has the same number, so that none ends early."""
    folder = _local_weights.find(model)
    loaded, tokenizer = _local_weights.load(folder, "bfloat16" if bf16 else "float32", "cpu")
    prompts = [tokenizer(text(random.Random(index), 60, 60)).input_ids[:64] for index in range(num_rows)]
    sampling = Sampling(temperature=1.0, top_p=0.9)

    def generate(num_new: int) -> None:
        loaded.generate(
            torch.tensor(prompts), do_sample=True, temperature=1.0, top_p=0.9, top_k=0, eos_token_id=None,
            min_new_tokens=num_new, max_new_tokens=num_new, num_return_sequences=num_samples,
            pad_token_id=0,
        )  # fmt: skip

    def decode(num_new: int) -> None:
        rows = [
            Row(tuple(prompt), ChatRequest(messages=(Message(role="user", content="x"),), sampling=sampling,
                                           sample_index=index), 0, num_new)
            for prompt in prompts for index in range(num_samples)
        ]  # fmt: skip
        Decoder(loaded, frozenset(), lambda tokens: "", 10**6, with_logprobs=True).decode(rows)

    way: Callable[[int], None] = generate if plain else decode
    if not plain:
        heap.keep_freed_memory()
    way(2)
    usage = Usage()
    usage.mark()
    way(num_tokens)
    usage.mark()
    usage.print(num_rows * num_samples * num_tokens)


def measured(given: argparse.Namespace, work: str, way: str) -> list[float]:
    command = [sys.executable, __file__, *sys.argv[1:], "--work", work, "--way", way]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [float(number) for number in output.splitlines()[-1].split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--only", choices=WORK, nargs="+", default=WORK)
    parser.add_argument("--work", choices=WORK, help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=("libraries", "cowest"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        if given.way == "libraries":
            as_libraries_do()
        if given.work == "drafting":
            plain = given.way == "libraries"
            draft(given.model, given.rows // given.samples, given.samples, given.tokens, bf16=given.bf16, plain=plain)
        else:
            train(given.work, given.model, given.rows, bf16=given.bf16)
        return
    print("| work | way | tokens per CPU second | system time | page faults per token | peak MiB | ratio |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for work in given.only:
        rounds = [[measured(given, work, way) for way in ("libraries", "cowest")] for _ in range(given.rounds)]
        ratios = [(ours[0] / ours[1]) / (theirs[0] / theirs[1]) for theirs, ours in rounds]
        for number, way in enumerate(("libraries", "cowest")):
            tokens, seconds, system, faults, peak = (
                statistics.median(each) for each in zip(*(pair[number] for pair in rounds), strict=True)
            )
            ratio = f"{statistics.median(ratios):.2f}" if number else ""
            print(
                f"| {work} | {way} | {tokens / seconds:.1f} | {system / seconds:.0%} | {faults / tokens:.0f} "
                f"| {peak / 1024:.0f} | {ratio} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
