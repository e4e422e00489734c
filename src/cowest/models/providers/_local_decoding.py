"""The decode loop: a batch of rows from their prompts to their ends.

`generate` would do, were it not for three things that cost a small model half of its time: it sorts the vocabulary at
every step, prefills what prompts share once for each of them, and carries finished rows to the end of the batch.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cowest.errors import CowestError
from cowest.models.providers._local_cache import make_cache, may_have_gaps
from cowest.models.providers._local_prefixes import Prompt, split
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
        self._config = model.config.get_text_config()
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
        cache = make_cache(self._model)
        batch = _Batch(
            rows, cache, self._model.device, shares=self._takes_positions and may_have_gaps(cache, self._config)
        )
        for ids in batch.prompt_ids():
            logits = self._forward(batch, ids)
        logits = batch.expand(logits)
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
    """Tensors of the rows that are being decoded: one line a prompt at first, one line a row after `expand`.

    Args:
        shares: whether prompts that begin alike are prefilled in two passes, beginnings and ends.
    """

    mask: Tensor
    padded: bool
    positions: Tensor

    def __init__(self, rows: Sequence[Row], cache: Any, device: torch.device, *, shares: bool) -> None:
        self.rows = list(rows)
        self.cache = cache
        self.device = device
        self._prompts = list(dict.fromkeys(row.prompt for row in rows))
        self._split = split(self._prompts) if shares else None
        line_of = {prompt: line for line, prompt in enumerate(self._prompts)}
        self._prompt_of_row = [line_of[row.prompt] for row in rows]

    def prompt_ids(self) -> Iterator[Tensor]:
        """Token ids of each pass over the prompts, with mask and positions set for it."""
        if self._split is None:
            yield self._padded(self._prompts)
            return
        yield self._padded(self._split.prefixes)
        prefix_of = torch.tensor(self._split.prefix_of, device=self.device)
        self.cache.reorder_cache(prefix_of)
        yield self._padded(self._split.suffixes, self.mask[prefix_of])

    def expand(self, logits: Tensor) -> Tensor:
        """Gives every row the cache of its prompt, K rows for a prompt with K samples."""
        self.positions = self.positions[:, -1:]
        if len(self.rows) == len(self._prompts):
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

    def _padded(self, lines: Sequence[Prompt], mask_before: Tensor | None = None) -> Tensor:
        """Ids of `lines` with padding on the left; the mask follows that of what the cache holds."""
        width = max(map(len, lines))
        padding = [width - len(line) for line in lines]
        ids = torch.tensor([[0] * empty + list(line) for empty, line in zip(padding, lines, strict=True)])
        mask = torch.tensor([[0] * empty + [1] * (width - empty) for empty in padding], device=self.device)
        self.mask = mask if mask_before is None else torch.cat([mask_before, mask], dim=1)
        self.padded = not bool(self.mask.all())
        self.positions = (self.mask.cumsum(-1) - 1).clamp_(min=0)[:, -width:]
        return ids.to(self.device)

    def _select(self, indices: list[int], values: Tensor) -> Tensor:
        index = torch.tensor(indices, device=self.device)
        self.cache.reorder_cache(index)
        self.mask = self.mask[index]
        self.positions = self.positions[index]
        self.sampler = Sampler([row.request.sampling for row in self.rows], self.device)
        return values[index]
