"""A key-value cache with room to grow.

The library's own copies every key and value at every token, which for a model of a million parameters takes longer
than its arithmetic.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

_MIN_ROOM_TOKENS = 32


class RoomyLayer(DynamicLayer):
    """Keys and values as views into larger tensors [rows, heads, capacity, head size]."""

    keys: Tensor
    values: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._key_room: Tensor | None = None
        self._value_room: Tensor | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Appends new keys and values and returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        self._key_room, self.keys = _append(self._key_room, self.keys, start, key_states)
        self._value_room, self.values = _append(self._value_room, self.values, start, value_states)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Selects rows; one index may stand several times."""
        if self.get_seq_length():
            self._key_room, self.keys = _select(self.keys, beam_idx)
            self._value_room, self.values = _select(self.values, beam_idx)


def make_cache(model: Any) -> DynamicCache:
    """The cache that `model` would make for itself, its ordinary layers with room to grow."""
    cache = DynamicCache(config=model.config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def may_have_gaps(cache: DynamicCache, config: Any) -> bool:
    """Whether padding may stand in the middle of a row, and its beginning be read before its end.

    A window would count the padding and a state would take it in. Positions whose rotation depends on how long the text
    is would be rotated for the beginning's length.

    Args:
        config: of the model that reads text.
    """
    rope = getattr(config, "rope_parameters", None) or {}
    kinds = {each.get("rope_type") for each in (rope, *rope.values()) if isinstance(each, dict)}
    has_window = "local" in getattr(config, "attention_layers", ())  # GPT-Neo's, which its cache does not know
    plain = bool(cache.layers) and all(type(layer) is RoomyLayer for layer in cache.layers)
    return plain and not has_window and not kinds & {"longrope", "dynamic"}


def _append(room: Tensor | None, old: Tensor, start: int, new: Tensor) -> tuple[Tensor, Tensor]:
    end = start + new.shape[-2]
    if room is None or room.shape[-2] < end:
        room = _room(new, len(new), end)
        if start:
            room[..., :start, :] = old
    room[..., start:end, :] = new
    return room, room[..., :end, :]


def _select(old: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    # Into its room at once: the next token would copy all of it again.
    room = _room(old, len(rows), old.shape[-2])
    chosen = room[..., : old.shape[-2], :]
    return room, torch.index_select(old, 0, rows.to(old.device), out=chosen)


def _room(like: Tensor, num_rows: int, num_tokens: int) -> Tensor:
    capacity = num_tokens + max(_MIN_ROOM_TOKENS, num_tokens // 2)
    return torch.empty((num_rows, *like.shape[1:-2], capacity, like.shape[-1]), dtype=like.dtype, device=like.device)
