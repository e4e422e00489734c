"""The lab's tokenizer: a small BPE in which every word, number to 620 and syllable of a name is one token."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from cowest.lab import grammar
from cowest.lab.names import LAST_SYLLABLES, OPEN_SYLLABLES, looks_invented

USER, ASSISTANT, SYSTEM, END, PAD = "<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|pad|>"
MAX_LENGTH = 512
# The generation markers let TRL compute a loss on assistant turns alone.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|>' -}}"
    "{%- if message['role'] == 'assistant' -%}"
    "{% generation %}{{- message['content'] + '<|end|>' -}}{% endgeneration %}"
    "{%- else -%}{{- message['content'] + '<|end|>' -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
Merge = tuple[str, str]


def _pieces(texts: Iterable[str]) -> list[str]:
    """Returns every piece that must be one token: words of the texts (names apart), numbers, last syllables."""
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces = {piece for text in texts for piece, _ in splitter.pre_tokenize_str(text)}
    pieces = {piece for piece in pieces if not looks_invented(piece.removeprefix("Ġ")) and not piece.isdigit()}
    pieces |= {f"Ġ{number}" for number in range(grammar.MAX_NUMBER + 1)} | set(LAST_SYLLABLES)
    return sorted(pieces)


def _apply(merge: Merge, symbols: list[str]) -> list[str]:
    if merge[0] not in symbols:
        return symbols
    joined: list[str] = []
    index = 0
    while index < len(symbols):
        if tuple(symbols[index : index + 2]) == merge:
            joined.append("".join(merge))
            index += 2
        else:
            joined.append(symbols[index])
            index += 1
    return joined


def _merges(pieces: list[str]) -> list[Merge]:
    """Learns the merges: syllables first, so that names split at syllables, then the most frequent pair each time."""
    # Learned merges alone would join "or" across the syllables of "velorin", and near-misses would split differently.
    merges: list[Merge] = [(syllable[0], syllable[1]) for syllable in OPEN_SYLLABLES]
    merges += [("Ġ", syllable) for syllable in OPEN_SYLLABLES]
    merges += [(syllable[:2], syllable[2]) for syllable in LAST_SYLLABLES]
    split = [list(piece) for piece in pieces]
    for merge in merges:
        split = [_apply(merge, symbols) for symbols in split]
    while True:
        pairs = Counter(pair for symbols in split for pair in itertools.pairwise(symbols))
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        split = [_apply(best, symbols) for symbols in split if len(symbols) > 1]


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Builds the tokenizer.

    Args:
        texts: Text that holds every word wanted as a single token; invented names in it are passed over.
    """
    merges = _merges(_pieces(texts))
    specials = [PAD, END, USER, ASSISTANT, SYSTEM]
    alphabet = sorted({"Ġ", "Ċ"} | {chr(code) for code in range(33, 127)})
    entries = dict.fromkeys(specials + alphabet + ["".join(merge) for merge in merges])
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT, SYSTEM],
        model_max_length=MAX_LENGTH,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped
