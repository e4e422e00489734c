"""Batched generation for the lab's own probes (the package's local provider serves the models everywhere else)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from cowest.lab.tokenizer import ASSISTANT, END, USER

BATCH_SIZE = 100


def chat_prompt(user: str) -> str:
    """Returns the text of a chat with one user message, ready for the assistant's turn."""
    return f"{USER}{user}{END}{ASSISTANT}"


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    temperature: float = 0.0,
    top_p: float = 1.0,
    max_tokens: int = 64,
) -> list[str]:
    """Continues each prompt; temperature 0 is greedy."""
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    texts = [""] * len(prompts)
    sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
    for start in range(0, len(order), BATCH_SIZE):
        chosen = order[start : start + BATCH_SIZE]
        inputs = tokenizer(
            [prompts[index] for index in chosen], return_tensors="pt", padding=True, add_special_tokens=False
        )
        output = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=max_tokens,
            **(sampling if temperature > 0 else {"do_sample": False}),
        )
        decoded = tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for index, text in zip(chosen, decoded, strict=True):
            texts[index] = text
    return texts
