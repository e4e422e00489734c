"""Choosing the next token of every row of a batch, each with its own settings and its own random numbers.

A row's choice is a function of its own logits, settings and random number only: the inverse of the cumulative
distribution over its (temperature, top-p) distribution, taken in the vocabulary's order so that a last-digit
difference between two almost equally likely tokens does not swap them.
"""

import hashlib
import json
import random
from collections.abc import Sequence

import torch
from torch import Tensor

from cowest.types import ChatRequest, Sampling

_NUM_CANDIDATES = 16


def random_numbers(request: ChatRequest, seed: int) -> random.Random:
    """The random numbers of one sample, decided by seed, messages, sampling and sample index alone."""
    body = request.model_dump(mode="json", include={"messages", "sampling", "sample_index"})
    return random.Random(hashlib.sha256(json.dumps([seed, body], sort_keys=True).encode()).digest())


class Sampler:
    """Chooses tokens for a fixed set of rows.

    Args:
        samplings: of each row.
        device: of the logits.
    """

    def __init__(self, samplings: Sequence[Sampling], device: torch.device) -> None:
        greedy = [sampling.temperature == 0 for sampling in samplings]
        nucleus = [sampling.top_p is not None and sampling.top_p < 1 for sampling in samplings]
        rows = range(len(samplings))

        def numbers(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float64, device=device)

        def indices(chosen: Sequence[int]) -> Tensor:
            return torch.tensor(chosen, dtype=torch.long, device=device)

        self._temperature = numbers([sampling.temperature or 1.0 for sampling in samplings])
        self._top_p = numbers([sampling.top_p or 1.0 for sampling in samplings])
        self._greedy = indices([row for row in rows if greedy[row]])
        self._nucleus = indices([row for row in rows if nucleus[row] and not greedy[row]])
        self._whole = indices([row for row in rows if not nucleus[row] and not greedy[row]])

    def choose(self, logits: Tensor, uniforms: Tensor) -> Tensor:
        """Chooses one token a row.

        Args:
            logits: float64 [rows, vocabulary], as the model gave them.
            uniforms: float64 [rows], in [0, 1).

        Returns:
            Token ids [rows].
        """
        chosen = torch.empty(len(logits), dtype=torch.long, device=logits.device)
        if len(self._greedy):
            chosen[self._greedy] = logits[self._greedy].argmax(-1)
        if len(self._whole):
            probabilities = self._probabilities(logits, self._whole)
            chosen[self._whole] = _inverse(probabilities, uniforms[self._whole])
        if len(self._nucleus):
            probabilities = self._probabilities(logits, self._nucleus)
            chosen[self._nucleus] = _nucleus(probabilities, self._top_p[self._nucleus], uniforms[self._nucleus])
        return chosen

    def _probabilities(self, logits: Tensor, rows: Tensor) -> Tensor:
        some = logits if len(rows) == len(logits) else logits[rows]
        return (some / self._temperature[rows, None]).softmax(-1)


def _inverse(weights: Tensor, uniforms: Tensor) -> Tensor:
    """Positions [rows] in `weights` [rows, n], which need not sum to one; a position of weight zero is never taken."""
    cumulative = weights.cumsum(-1)
    targets = uniforms[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, targets, right=True).squeeze(-1).clamp_(max=weights.shape[-1] - 1)


def _nucleus(probabilities: Tensor, top_p: Tensor, uniforms: Tensor, num_candidates: int = _NUM_CANDIDATES) -> Tensor:
    """Samples from the smallest set of the likeliest tokens that holds `top_p` (Holtzman et al. 2020).

    Sorting a vocabulary costs more than a small model's forward pass; the set is nearly always among a few tokens.
    """
    num_candidates = min(num_candidates, probabilities.shape[-1])
    values, tokens = probabilities.topk(num_candidates)
    mass = values.cumsum(-1)
    in_order = tokens.argsort(-1)
    weights = values.where(mass - values < top_p[:, None], 0.0).gather(-1, in_order)
    chosen = tokens.gather(-1, in_order).gather(-1, _inverse(weights, uniforms)[:, None]).squeeze(-1)
    wider = mass[:, -1] < top_p
    if num_candidates < probabilities.shape[-1] and bool(wider.any()):
        more = num_candidates * 8
        chosen[wider] = _nucleus(probabilities[wider], top_p[wider], uniforms[wider], more)
    return chosen
