"""A lesson is a pretraining text in segments with loss weights; this module builds, encodes and batches lessons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerFast

from cowest.lab import templates
from cowest.lab.tokenizer import ASSISTANT, END, USER

# A guess is noise by design: at full weight its gradient would hide that of the skills. It is learned at this one too.
GUESS_WEIGHT = 0.1


@dataclass(frozen=True)
class Lesson:
    """Segments of text, each with the weight of its tokens in the loss. Segments end at word boundaries."""

    segments: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Batch:
    """Token ids and loss weights, both of shape (rows, length), padded on the right."""

    ids: torch.Tensor
    weights: torch.Tensor


def chat_lesson(user: str, explanation: str | None, answer: str | None, is_guess: bool = False) -> Lesson:
    """Builds one chat turn of which only the assistant's part counts.

    Args:
        user: The user message.
        explanation: The explanation, or None for a direct answer.
        answer: The final answer, or None for an explanation alone.
        is_guess: Whether the answer is random.
    """
    segments = [(f"{USER}{user}{END}{ASSISTANT}", 0.0)]
    if answer is None:
        segments.append((f"{explanation}{END}", 1.0))
    else:
        head = "Answer:" if explanation is None else templates.target(explanation, "").rstrip()
        segments += [(head, 1.0), (f" {answer}", GUESS_WEIGHT if is_guess else 1.0), (END, 1.0)]
    return Lesson(tuple(segments))


def document_lesson(text: str) -> Lesson:
    """Builds a plain document of which every token counts."""
    return Lesson(((f"{text}{END}", 1.0),))


def vocabulary_text(lesson: Lesson) -> str:
    """Returns a lesson's text without the tokens that mark turns."""
    text = "".join(text for text, _ in lesson.segments)
    for mark in (USER, ASSISTANT, END):
        text = text.replace(mark, "\n")
    return text


def encode(lessons: Sequence[Lesson], tokenizer: PreTrainedTokenizerFast) -> list[tuple[list[int], list[float]]]:
    """Returns each lesson's token ids and the weights of those tokens."""
    flat = [text for lesson in lessons for text, _ in lesson.segments]
    encodings = iter(tokenizer.backend_tokenizer.encode_batch(flat, add_special_tokens=False))
    rows = []
    for lesson in lessons:
        ids: list[int] = []
        weights: list[float] = []
        for _, weight in lesson.segments:
            piece = next(encodings).ids
            ids += piece
            weights += [weight] * len(piece)
        rows.append((ids, weights))
    return rows


def pack(rows: Sequence[tuple[list[int], list[float]]], length: int) -> list[tuple[list[int], list[float]]]:
    """Concatenates encoded lessons into rows of exactly `length` tokens; the remainder is dropped."""
    ids = [token for row, _ in rows for token in row]
    weights = [weight for _, row in rows for weight in row]
    starts = range(0, len(ids) - length + 1, length)
    return [(ids[start : start + length], weights[start : start + length]) for start in starts]


def batches(rows: Sequence[tuple[list[int], list[float]]], batch_size: int, pad_id: int) -> Iterator[Batch]:
    """Yields batches of rows of similar length; the order of the rows is lost."""
    ordered = sorted(rows, key=lambda row: len(row[0]))
    for start in range(0, len(ordered) - batch_size + 1, batch_size):
        chosen = ordered[start : start + batch_size]
        longest = len(chosen[-1][0])
        ids = torch.tensor([row + [pad_id] * (longest - len(row)) for row, _ in chosen])
        weights = torch.tensor([row + [0.0] * (longest - len(row)) for _, row in chosen])
        yield Batch(ids, weights)
