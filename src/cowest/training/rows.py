"""Conversations as token ids: the prompt, the completions trained on, and which rows are too long."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cowest.characters import without_half_pairs
from cowest.errors import InputError
from cowest.types import Message


@dataclass(frozen=True)
class ChatRow:
    """A prompt with its completion (SFT, KTO), with the chosen and the rejected one (DPO), or with none yet (GRPO).

    Attributes:
        gain: of the draft, or of the chosen draft over the rejected one; None where training does not use it.
    """

    id: str
    prompt: Sequence[Message]
    completions: tuple[str, ...]
    gain: int | None = None


@dataclass(frozen=True)
class TokenRow:
    """The same as token ids. `prompt` is what all completions share; each completion ends with an end token."""

    id: str
    prompt: list[int]
    completions: tuple[list[int], ...]
    gain: int | None = None

    @property
    def num_tokens(self) -> int:
        """Length of the longest sequence of this row."""
        return len(self.prompt) + max((len(completion) for completion in self.completions), default=0)

    @property
    def num_tokens_read(self) -> int:
        """Tokens the model reads for this row in one epoch."""
        return sum(len(self.prompt) + len(completion) for completion in self.completions)


def tokenize(rows: Sequence[ChatRow], tokenizer: Any, end_ids: Sequence[int]) -> list[TokenRow]:
    """Renders and tokenizes with the tokenizer's chat template.

    A completion starts where the tokens of the conversation first differ from those of the prompt that drafts are
    sampled from, as in TRL. It ends with an end token: what a template writes after one is dropped, since sampling
    stops there; where a template writes none, one is added, since drafts would not end otherwise.

    Args:
        end_ids: token ids at which sampling stops; the first one is the one that is added.

    Raises:
        InputError: the template refuses a conversation.
    """
    # As drafts are sampled: tokenizers refuse half surrogate pairs.
    prompts = [
        [{"role": turn.role, "content": without_half_pairs(turn.content)} for turn in row.prompt] for row in rows
    ]
    whole = [
        [*prompt, {"role": "assistant", "content": without_half_pairs(completion)}]
        for row, prompt in zip(rows, prompts, strict=True)
        for completion in row.completions
    ]
    prompt_ids = _render(tokenizer, prompts, add_generation_prompt=True)
    whole_ids = iter(_render(tokenizer, whole))
    return [
        _token_row(row, ids, [next(whole_ids) for _ in row.completions], tokenizer, end_ids)
        for row, ids in zip(rows, prompt_ids, strict=True)
    ]


def positions_within(rows: Iterable[TokenRow], limit: int | None, room: int = 0) -> tuple[list[int], list[int]]:
    """The positions of the rows of at most `limit` tokens with `room` for more, and those of the longer ones."""
    fitting: list[int] = []
    overlong: list[int] = []
    for number, row in enumerate(rows):
        (fitting if limit is None or row.num_tokens + room <= limit else overlong).append(number)
    return fitting, overlong


def content_hash(rows: Iterable[TokenRow]) -> str:
    """SHA-256 of ids, tokens and gains of all rows, in their order."""
    digest = hashlib.sha256()
    for row in rows:
        gain = [] if row.gain is None else [row.gain]
        digest.update(json.dumps([row.id, row.prompt, row.completions, *gain]).encode())
    return digest.hexdigest()


def _render(tokenizer: Any, conversations: list[list[dict[str, str]]], **options: Any) -> list[list[int]]:
    import jinja2

    if not conversations:
        return []
    try:
        rendered = tokenizer.apply_chat_template(conversations, tokenize=True, return_dict=True, **options)
    except (jinja2.TemplateError, ValueError) as error:
        raise InputError(
            f"The chat template of {tokenizer.name_or_path!r} refuses the conversation ({error}). "
            "Give a model whose template takes a user's turn and an assistant's."
        ) from error
    ids: list[list[int]] = rendered["input_ids"]
    return ids


def _token_row(
    row: ChatRow, prompt: list[int], whole: list[list[int]], tokenizer: Any, end_ids: Sequence[int]
) -> TokenRow:
    start = min((_common_prefix(prompt, ids) for ids in whole), default=len(prompt))
    completions = tuple(_end(ids[start:], tokenizer, end_ids) for ids in whole)
    return TokenRow(id=row.id, prompt=prompt[:start], completions=completions, gain=row.gain)


def _common_prefix(left: list[int], right: list[int]) -> int:
    pairs = zip(left, right, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))


def _end(ids: list[int], tokenizer: Any, end_ids: Sequence[int]) -> list[int]:
    last = next((i for i in reversed(range(len(ids))) if ids[i] in end_ids), None)
    if last is not None and not tokenizer.decode(ids[last + 1 :]).strip():
        return ids[: last + 1]
    return [*ids, end_ids[0]]
