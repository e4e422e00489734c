"""The decode loop: a batch of rows from their prompts to their ends.

`generate` would do, were it not for three things that cost a small model half of its time: it sorts the vocabulary at
every step, prefills the same prompt once for each of its K samples, and carries finished rows to the end of the batch.
"""

import inspect
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cowest.errors import CowestError
from cowest.models.providers._local_cache import make_cache
from cowest.models.providers._local_sampling import Sampler, random_numbers
from cowest.types import ChatRequest, Sampling

_COMPACT_BELOW = 0.8
_STOP_MARGIN_TOKENS = 4


@dataclass
class Row:
    """One sample that is being decoded.

    Attributes:
        prompt: token ids; rows with the same prompt share one prefill.
        request: what is sampled and how.
        seed: of the run; with the request it decides the row's random numbers.
        max_tokens: new tokens at most.
        tokens: sampled so far, without the one that ended it.
        logprobs: of `tokens`, under the model's own distribution (temperature 1, no top-p).
        num_sampled: tokens sampled, the one that ended it included.
        finish_reason: empty while it goes on.
    """

    prompt: tuple[int, ...]
    request: ChatRequest
    seed: int
    max_tokens: int
    tokens: list[int] = field(default_factory=list, init=False)
    logprobs: list[float] = field(default_factory=list, init=False)
    num_sampled: int = field(default=0, init=False)
    finish_reason: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.random = random_numbers(self.request, self.seed)


class Decoder:
    """Decodes batches with one model.

    Args:
        model: a causal language model of transformers, in eval mode.
        end_tokens: ids that end a row.
        text_of: decodes token ids, for stop strings.
        context_tokens: positions the model has.
        with_logprobs: whether rows get their `logprobs`.
    """

    def __init__(
        self,
        model: Any,
        end_tokens: frozenset[int],
        text_of: Callable[[Sequence[int]], str],
        context_tokens: int,
        *,
        with_logprobs: bool,
    ) -> None:
        self._model = model
        self._end_tokens = end_tokens
        self._text_of = text_of
        self._last_position = context_tokens - 1
        self._with_logprobs = with_logprobs
        parameters = inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in parameters
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}

    @torch.inference_mode()
    def decode(self, rows: Sequence[Row], is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Fills `tokens`, `logprobs` and `finish_reason` of every row.

        Raises:
            CancelledError: `is_wanted`, which is called before each token, returned False.
        """
        _check(is_wanted)
        batch = _Batch(rows, make_cache(self._model), self._model.device)
        logits = batch.expand(self._forward(batch, batch.prompt_ids))
        if logits.isnan().any():
            raise CowestError("The model's output is not a number (NaN): its weights are damaged. Train it again.")
        while True:
            _check(is_wanted)
            chosen = self._choose(batch, logits)
            open_rows = [index for index, row in enumerate(batch.rows) if not row.finish_reason]
            if not open_rows:
                return
            if len(open_rows) <= _COMPACT_BELOW * len(batch.rows):
                chosen = batch.keep(open_rows, chosen)
            batch.advance(self._last_position)
            logits = self._forward(batch, chosen[:, None])

    def _forward(self, batch: "_Batch", ids: Tensor) -> Tensor:
        positions = {"position_ids": batch.positions} if self._takes_positions else {}
        # Without padding the mask says nothing, and building one costs every layer time.
        mask = batch.mask if batch.padded else None
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=batch.cache,
            use_cache=True,
            **positions,
            **self._last_only,
        )
        logits: Tensor = output.logits[:, -1].double()
        return logits

    def _choose(self, batch: "_Batch", logits: Tensor) -> Tensor:
        uniforms = [0.0 if row.finish_reason else row.random.random() for row in batch.rows]
        chosen = batch.sampler.choose(logits, torch.tensor(uniforms, dtype=torch.float64, device=logits.device))
        logprobs = [0.0] * len(batch.rows)
        if self._with_logprobs:
            logprobs = (logits.gather(-1, chosen[:, None]).squeeze(-1) - logits.logsumexp(-1)).tolist()
        for row, token, logprob in zip(batch.rows, chosen.tolist(), logprobs, strict=True):
            if not row.finish_reason:
                self._take(row, token, logprob)
        return chosen

    def _take(self, row: Row, token: int, logprob: float) -> None:
        row.num_sampled += 1
        if token in self._end_tokens:
            row.finish_reason = "stop"
            return
        row.tokens.append(token)
        row.logprobs.append(logprob)
        if row.request.sampling.stop and self._has_stop(row):
            row.finish_reason = "stop"
        elif row.num_sampled >= row.max_tokens:
            row.finish_reason = "length"

    def _has_stop(self, row: Row) -> bool:
        # A token is at least one byte, so the last few tokens hold any stop string that has just been completed.
        sampling = row.request.sampling
        longest = max(len(stop.encode()) for stop in sampling.stop)
        tail = self._text_of(row.tokens[-(longest + _STOP_MARGIN_TOKENS) :])
        return any(stop in tail for stop in sampling.stop) and cut(self._text_of(row.tokens), sampling)[1]


def _check(is_wanted: Callable[[], bool]) -> None:
    if not is_wanted():
        raise CancelledError


def cut(text: str, sampling: Sampling) -> tuple[str, bool]:
    """`text` up to the first stop string, and whether there was one."""
    ends = [end for stop in sampling.stop if (end := text.find(stop)) >= 0]
    return (text[: min(ends)], True) if ends else (text, False)


class _Batch:
    """Tensors of the rows that are being decoded: one line a prompt at first, one line a row after `expand`."""

    def __init__(self, rows: Sequence[Row], cache: Any, device: torch.device) -> None:
        self.rows = list(rows)
        self.cache = cache
        self.device = device
        prompts = {prompt: index for index, prompt in enumerate(dict.fromkeys(row.prompt for row in rows))}
        self._prompt_of_row = [prompts[row.prompt] for row in rows]
        width = max(len(prompt) for prompt in prompts)
        self.padded = any(len(prompt) < width for prompt in prompts)
        ids = [[0] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        self.prompt_ids = torch.tensor(ids, device=device)
        self.mask = torch.tensor(mask, device=device)
        self.positions = (self.mask.cumsum(-1) - 1).clamp_(min=0)

    def expand(self, logits: Tensor) -> Tensor:
        """Gives every row the cache of its prompt, K rows for a prompt with K samples."""
        self.positions = self.positions[:, -1:]
        if len(self.rows) == len(self.prompt_ids):
            self.sampler = Sampler([row.request.sampling for row in self.rows], self.device)
            return logits
        return self._select(self._prompt_of_row, logits)

    def keep(self, indices: list[int], chosen: Tensor) -> Tensor:
        """Drops the other rows."""
        self.rows = [self.rows[index] for index in indices]
        return self._select(indices, chosen)

    def advance(self, last_position: int) -> None:
        """Extends the tensors by one token a row; only a row that has ended can reach `last_position` before."""
        self.positions = (self.positions + 1).clamp_(max=last_position)
        if self.padded:
            self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.rows), 1)], dim=1)

    def _select(self, indices: list[int], values: Tensor) -> Tensor:
        index = torch.tensor(indices, device=self.device)
        self.cache.reorder_cache(index)
        self.mask = self.mask[index]
        self.positions = self.positions[index]
        self.sampler = Sampler([row.request.sampling for row in self.rows], self.device)
        return values[index]
