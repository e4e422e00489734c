"""Counting the tokens of a text as a model would, without opening the model."""

import functools
from collections.abc import Callable

from cowest.characters import without_half_pairs
from cowest.models.config import ModelConfig

CHARACTERS_PER_TOKEN = 4.0
"""Of English prose, for tokenizers of 50,000 to 200,000 entries. Other languages and tables take more tokens."""

MESSAGE_OVERHEAD = 8
"""Tokens of a chat template around one message, about."""


class TokenCounter:
    """Counts tokens with the model's own tokenizer where it is at hand, else from the number of characters.

    Attributes:
        how: what the counts rest on, for the reader.
    """

    def __init__(self, config: ModelConfig) -> None:
        count, self.how = _local(config) or _openai(config) or (_estimate, "4 characters a token")
        self.count: Callable[[str], int] = functools.lru_cache(maxsize=4096)(
            lambda text: count(without_half_pairs(text))
        )

    def count_messages(self, texts: list[str]) -> int:
        """Tokens of a whole prompt."""
        return sum(self.count(text) + MESSAGE_OVERHEAD for text in texts)


def _estimate(text: str) -> int:
    return round(len(text) / CHARACTERS_PER_TOKEN)


def _local(config: ModelConfig) -> tuple[Callable[[str], int], str] | None:
    if config.provider != "local":
        return None
    from cowest.plugins import resolve_path

    try:
        from tokenizers import Tokenizer

        file = resolve_path(config.model_name) / "tokenizer.json"
        tokenizer = Tokenizer.from_file(str(file)) if file.is_file() else None
    except Exception:  # tokenizers raises bare Exception for a file it cannot read; then there is the estimate
        return None
    if tokenizer is None:
        return None
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids), "the model's tokenizer"


def _openai(config: ModelConfig) -> tuple[Callable[[str], int], str] | None:
    if config.provider != "openai" or config.base_url is not None:
        return None
    try:
        import tiktoken

        encoding = tiktoken.encoding_for_model(config.model_name)
    except Exception:  # not installed, no such model, or its table is not on this machine: then there is the estimate
        return None
    return lambda text: len(encoding.encode(text, disallowed_special=())), "tiktoken"
