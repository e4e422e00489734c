"""The implicit reward of a preference-tuned model: beta * log(pi / pi_ref), summed over a text's tokens."""

import threading
from collections.abc import Sequence
from typing import Any

import peft
import torch

from cowest.training import loading
from cowest.training.quiet import quiet
from cowest.training.rows import ChatRow, tokenize
from cowest.training.settings import TrainingSettings, on_gpu, uses_bf16
from cowest.training.weights import Weights
from cowest.types import Message

_POLICY, _REFERENCE = "policy", "reference"


class ImplicitReward:
    """Scores texts by how much more probable preference tuning has made them (Rafailov et al. 2023, Equation 5).

    The base is loaded once, with both adapters on it and apart from its weights.

    Args:
        policy: the tuned model, an adapter.
        reference: what it was tuned from: an adapter on the same base, or that base.
        beta: of DPO.
        settings: of that training; they decide the precision.
    """

    def __init__(self, policy: Weights, reference: Weights, beta: float, settings: TrainingSettings) -> None:
        self.beta = beta
        self._lock = threading.Lock()
        with quiet():
            self._tokenizer = loading.load_tokenizer(policy)
            self._end_ids = loading.end_ids(policy, self._tokenizer)
            device = torch.device("cuda" if on_gpu() else "cpu")
            base = loading.load_model(policy, bf16=uses_bf16(settings), device=device)
            # In the dtype of the weights, as autocast casts adapters in training.
            as_it_is = {"autocast_adapter_dtype": False}
            model = peft.PeftModel.from_pretrained(base, str(policy.adapter), adapter_name=_POLICY, **as_it_is)
            if reference.adapter is not None:
                model.load_adapter(str(reference.adapter), adapter_name=_REFERENCE, **as_it_is)
        self._has_reference = reference.adapter is not None
        self._model: Any = model.to(device).eval()

    def __call__(self, prompt: Sequence[Message], texts: Sequence[str]) -> list[float]:
        """The reward of each text as a reply to `prompt`; equal texts get equal rewards."""
        unique = tuple(dict.fromkeys(texts))
        (row,) = tokenize([ChatRow(id="", prompt=prompt, completions=unique)], self._tokenizer, self._end_ids)
        with self._lock, torch.inference_mode():
            self._model.set_adapter(_POLICY)
            tuned = self._log_probabilities(row.prompt, row.completions)
            if self._has_reference:
                self._model.set_adapter(_REFERENCE)
                before = self._log_probabilities(row.prompt, row.completions)
            else:
                with self._model.disable_adapter():
                    before = self._log_probabilities(row.prompt, row.completions)
        rewards = dict(zip(unique, (self.beta * (tuned - before)).tolist(), strict=True))
        return [rewards[text] for text in texts]

    def _log_probabilities(self, prompt: list[int], completions: Sequence[list[int]]) -> torch.Tensor:
        """Log-probability of each completion after the prompt, shape [completions], in float64."""
        device = self._model.device
        longest = max(len(completion) for completion in completions)
        ids = torch.zeros(len(completions), len(prompt) + longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for number, completion in enumerate(completions):
            whole = torch.tensor([*prompt, *completion])
            ids[number, : len(whole)] = whole
            mask[number, : len(whole)] = 1
        logits = self._model(input_ids=ids.to(device), attention_mask=mask.to(device)).logits[:, len(prompt) - 1 : -1]
        targets = ids[:, len(prompt) :].to(device)
        of_tokens = logits.double().log_softmax(-1).gather(-1, targets[..., None])[..., 0]
        return (of_tokens * mask[:, len(prompt) :].to(device)).sum(-1)
