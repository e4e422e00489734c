"""Tiny models made from a config, with a tokenizer of their own: what the local provider is tested with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cowest.types import ChatRequest, Message, Sampling

WORDS = "the dose of velorin is two four six eight mg per kg answer explanation a b c d e stop here now"
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }} : {{ message['content'] }} </s>{% endfor %}"
    "{% if add_generation_prompt %}assistant : {% endif %}"
)


def make_model_folder(folder: Path, *, layers: int = 2, width: int = 32, words: int = 200, context: int = 128) -> Path:
    """Saves a Llama with random weights, and a word tokenizer with a chat template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    names = ["<pad>", "</s>", "<unk>", "system", "user", "assistant", ":", *WORDS.split()]
    vocabulary = {word: index for index, word in enumerate([*names, *(f"w{i}" for i in range(words - len(names)))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>", chat_template=TEMPLATE
    )
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=context,
        eos_token_id=1,
        pad_token_id=0,
        initializer_range=0.4,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model_folder(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def ask() -> Callable[..., ChatRequest]:
    def ask(text: str = "the dose of velorin", sample_index: int = 0, **sampling: Any) -> ChatRequest:
        return ChatRequest(
            messages=(Message(role="user", content=text),), sampling=Sampling(**sampling), sample_index=sample_index
        )

    return ask
