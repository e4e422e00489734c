"""A model of a few thousand weights with its tokenizer and chat template, built from a config."""

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from cowest.types import Draft, Example, GradedDraft, GradedExample, Message, PreferencePair, Verdict

TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}"
    "{% if message.role == 'assistant' %}<|end|>{{ '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEMPLATE_WITHOUT_END = TEMPLATE.replace("<|end|>{{ '\\n' }}", "")
SPECIAL = ["<|pad|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]


def build(
    folder: Path,
    *,
    template: str | None = TEMPLATE,
    positions: int = 512,
    pad: bool = True,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    width: int = 32,
    inner_width: int = 48,
) -> Path:
    """Saves a byte-level Llama of about 20,000 weights in `folder`."""
    tokenizer = make_tokenizer(template, pad=pad)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=inner_width,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=positions,
            bos_token_id=None,
            eos_token_id=1,
            pad_token_id=0 if pad else None,
        )
    )
    model.to(dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_for_4_bits(folder: Path, **options: Any) -> Path:
    """Saves one of rows that whole blocks of 64 values fill: others are refused on processors with AVX-512."""
    return build(folder, width=64, inner_width=128, **options)


def make_tokenizer(template: str | None = TEMPLATE, *, pad: bool = True) -> PreTrainedTokenizerFast:
    """A token for each byte, and the special ones."""
    vocabulary = {piece: i for i, piece in enumerate([*SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        pad_token="<|pad|>" if pad else None,
        additional_special_tokens=SPECIAL[2:],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = template
    return fast


def examples(count: int) -> list[Example]:
    """Rows of different lengths."""
    return [
        Example(
            id=f"e{i}", query=f"twice {i * 37}?", references=(str(i * 74),), explanation="add it to itself" * (i % 3)
        )
        for i in range(count)
    ]


def pairs(count: int) -> list[PreferencePair]:
    """Pairs of different lengths."""
    return [
        PreferencePair(
            prompt=(Message(role="user", content=f"twice {i * 37}?"),),
            chosen=(Message(role="assistant", content=f"Explanation: add it.\nAnswer: {i * 74}"),),
            rejected=(Message(role="assistant", content=f"Answer: {i}" + "0" * (i % 4)),),
            example_id=f"e{i}",
            pair_index=0,
            chosen_sample_index=0,
            rejected_sample_index=1,
            gain_chosen=2,
            gain_rejected=-1,
        )
        for i in range(count)
    ]


def graded(count: int) -> list[GradedExample]:
    """Queries with four drafts of different lengths each: one that helped, one that helped more, and two that did not.

    The last of them was cut at the token limit.
    """
    return [
        GradedExample(
            example_id=f"e{i}",
            query=f"twice {i * 37}?",
            solo="z",
            solo_verdict=Verdict(score=5),
            drafts=tuple(
                GradedDraft(
                    draft=Draft(text=text, sample_index=index, finish_reason="length" if gain == -4 else "stop"),
                    refined="y*",
                    verdict=Verdict(score=5 + gain),
                    gain=gain,
                )
                for index, (text, gain) in enumerate(
                    [
                        (f"It is {i * 74}", 1),
                        (f"add: {i * 74}", 3 + i % 3),
                        (f"no: {i}" + "0" * (i % 4), -1),
                        ("cut", -4),
                    ]
                )
            ),
        )
        for i in range(count)
    ]


def weights_of(folder: Path | str) -> dict[str, torch.Tensor]:
    """The tensors of an adapter."""
    return load_file(Path(folder) / "adapter_model.safetensors")


def same_weights(left: Path | str, right: Path | str) -> bool:
    """Whether two adapters are equal in every bit."""
    first, second = weights_of(left), weights_of(right)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def log_probabilities(base: Path, adapter: Path | str | None) -> torch.Tensor:
    """What the model, loaded anew, says to a fixed text."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter))
    with torch.no_grad():
        return model.eval()(torch.arange(5, 45)[None]).logits.log_softmax(-1)
