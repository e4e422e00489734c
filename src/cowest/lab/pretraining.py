"""Pretraining of the lab's models from scratch: Llama architecture, AdamW with a cosine schedule, float32."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from cowest.lab import grammar, labeller_lessons, lessons, strong_lessons, weak_lessons
from cowest.lab.grammar import Notation
from cowest.lab.lessons import Batch
from cowest.lab.tokenizer import train_tokenizer
from cowest.lab.world import World

BATCH_SIZE = 64
NAMES_BATCH_SIZE = 512
CHECKING_BATCH_SIZE = 384
COMPARING_BATCH_SIZE = 32
ROWS_AT_ONCE = 1024
WEAK_ROW_LENGTH = 96
WIDTH = 128
Report = Callable[[str], None]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast one pretraining phase runs."""

    num_steps: int
    learning_rate: float
    warmup_steps: int = 50


SCHEDULES: dict[str, Schedule] = {
    "multiplication": Schedule(num_steps=320, learning_rate=4e-3),
    "names": Schedule(num_steps=300, learning_rate=4e-3),
    "near names": Schedule(num_steps=200, learning_rate=3e-3),
    "trunk": Schedule(num_steps=800, learning_rate=3e-3),
    "trunk again": Schedule(num_steps=600, learning_rate=3e-3),
    "branch": Schedule(num_steps=200, learning_rate=1.5e-3, warmup_steps=10),
    "weak": Schedule(num_steps=900, learning_rate=3e-3),
    "checking": Schedule(num_steps=200, learning_rate=3e-3, warmup_steps=20),
    "comparing": Schedule(num_steps=500, learning_rate=2e-3, warmup_steps=20),
}
# The share of a strong model's batches that are drills, so that multiplying and comparing names are not forgotten.
DRILL_SHARE = 0.2


def new_model(tokenizer: PreTrainedTokenizerFast, num_layers: int, seed: int) -> LlamaForCausalLM:
    """Returns an untrained model of the lab's width."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=352,
        num_hidden_layers=num_layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def batch_loss(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """Returns the weighted mean of the next-token losses; logits are computed only where a token counts."""
    hidden = model.model(input_ids=batch.ids[:, :-1]).last_hidden_state
    weights = batch.weights[:, 1:]
    counted = weights > 0
    logits = model.lm_head(hidden[counted])
    losses = torch.nn.functional.cross_entropy(logits, batch.ids[:, 1:][counted], reduction="none")
    return (losses * weights[counted]).sum() / weights[counted].sum()


def train(model: LlamaForCausalLM, stream: Iterator[Batch], schedule: Schedule, report: Report) -> None:
    """Trains in place for one phase: warm-up, then a cosine schedule down to a twentieth of the peak rate."""
    decayed = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    plain = [parameter for parameter in model.parameters() if parameter.dim() == 1]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(0.9, 0.98))
    model.train()
    running = 0.0
    for step in range(schedule.num_steps):
        done = step / schedule.num_steps
        rate = schedule.learning_rate * min(1.0, (step + 1) / schedule.warmup_steps)
        for group in optimizer.param_groups:
            group["lr"] = rate * (0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2)
        loss = batch_loss(model, next(stream))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        running += loss.item()
        if (step + 1) % 50 == 0:
            report(f"step {step + 1}/{schedule.num_steps} loss {running / 50:.3f}")
            running = 0.0
    model.eval()


def _shuffled(batches: Iterable[Batch], random_source: random.Random) -> list[Batch]:
    listed = list(batches)
    random_source.shuffle(listed)
    return listed


def multiplication_stream(tokenizer: PreTrainedTokenizerFast, seed: str) -> Iterator[Batch]:
    """Yields batches of multiplication alone."""
    random_source = random.Random(seed)
    while True:
        chosen = [strong_lessons.drill(random_source) for _ in range(ROWS_AT_ONCE)]
        yield from lessons.batches(lessons.encode(chosen, tokenizer), BATCH_SIZE, _pad(tokenizer))


def name_stream(tokenizer: PreTrainedTokenizerFast, world: World, near_miss_share: float, seed: str) -> Iterator[Batch]:
    """Yields batches that compare public names, every fourth one multiplication instead."""
    random_source = random.Random(seed)
    multiplication = multiplication_stream(tokenizer, f"{seed} multiplication")
    while True:
        chosen = [
            strong_lessons.name_drill(world.public_names, near_miss_share, random_source)
            for _ in range(3 * NAMES_BATCH_SIZE)
        ]
        yield from lessons.batches(lessons.encode(chosen, tokenizer), NAMES_BATCH_SIZE, _pad(tokenizer))
        yield next(multiplication)


def strong_stream(
    tokenizer: PreTrainedTokenizerFast, world: World, readable: Notation | None, drill_share: float, seed: str
) -> Iterator[Batch]:
    """Yields batches of a strong model's lessons; a share of the batches is drills."""
    random_source = random.Random(seed)
    drills = name_stream(tokenizer, world, strong_lessons.NEAR_MISS_SHARE, f"{seed} drills")
    while True:
        chosen = [
            strong_lessons.strong_lesson(world.public_names, readable, random_source) for _ in range(ROWS_AT_ONCE)
        ]
        rows = lessons.encode(chosen, tokenizer)
        for batch in _shuffled(lessons.batches(rows, BATCH_SIZE, _pad(tokenizer)), random_source):
            yield batch
            if random_source.random() < drill_share:
                yield next(drills)


def checking_stream(tokenizer: PreTrainedTokenizerFast, is_whole: bool, seed: str) -> Iterator[Batch]:
    """Yields batches of lines that check one number against another."""
    random_source = random.Random(seed)
    while True:
        chosen = [labeller_lessons.checking_drill(is_whole, random_source) for _ in range(CHECKING_BATCH_SIZE)]
        yield from lessons.batches(lessons.encode(chosen, tokenizer), CHECKING_BATCH_SIZE, _pad(tokenizer))


def comparing_stream(tokenizer: PreTrainedTokenizerFast, world: World, seed: str) -> Iterator[Batch]:
    """Yields batches of comparisons of two drafts, every third one checks instead."""
    random_source = random.Random(seed)
    bare, whole = (checking_stream(tokenizer, is_whole, f"{seed} checks") for is_whole in (False, True))
    checks = itertools.chain.from_iterable(zip(whole, bare, strict=False))
    while True:
        chosen = [labeller_lessons.comparing_lesson(world.public_names, random_source) for _ in range(ROWS_AT_ONCE)]
        batches = lessons.batches(lessons.encode(chosen, tokenizer), COMPARING_BATCH_SIZE, _pad(tokenizer))
        for index, batch in enumerate(_shuffled(batches, random_source)):
            yield batch
            if index % 2:
                yield next(checks)


def weak_stream(tokenizer: PreTrainedTokenizerFast, world: World, seed: str) -> Iterator[Batch]:
    """Yields batches of packed documents and chats."""
    random_source = random.Random(seed)
    while True:
        chosen = [weak_lessons.weak_lesson(world, random_source) for _ in range(4 * ROWS_AT_ONCE)]
        rows = lessons.pack(lessons.encode(chosen, tokenizer), WEAK_ROW_LENGTH)
        yield from _shuffled(lessons.batches(rows, BATCH_SIZE, _pad(tokenizer)), random_source)


def _pad(tokenizer: PreTrainedTokenizerFast) -> int:
    pad = tokenizer.pad_token_id
    assert isinstance(pad, int)
    return pad


def make_tokenizer(world: World) -> PreTrainedTokenizerFast:
    """Trains the tokenizer on the words of many lessons; names do not matter, so every world gets the same one."""
    random_source = random.Random("vocabulary")
    chosen = []
    for _ in range(3000):
        for readable in (None, *grammar.NOTATIONS):
            chosen.append(strong_lessons.strong_lesson(world.public_names, readable, random_source))
        chosen.append(weak_lessons.weak_lesson(world, random_source))
    return train_tokenizer(lessons.vocabulary_text(lesson) for lesson in chosen)
