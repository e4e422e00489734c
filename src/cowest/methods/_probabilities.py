"""How sure a model was of what it wrote, read from the log-probabilities of its own tokens."""

import math
from typing import NamedTuple

from cowest.errors import CompletionError
from cowest.types import Completion


class Token(NamedTuple):
    """A sampled token: its text, where it begins in the whole, and its log-probability."""

    text: str
    start: int
    logprob: float

    @property
    def content_start(self) -> int:
        """Where it begins, spaces before it aside."""
        return self.start + len(self.text) - len(self.text.lstrip())

    def is_above(self, probability: float) -> bool:
        """Whether the model gave it more than this; compared as logarithms, so that an edge is exact."""
        return probability == 0 or self.logprob > math.log(probability)


def tokens_of(completion: Completion, role: str) -> list[Token]:
    """The tokens of a reply.

    Raises:
        CompletionError: the model gave no log-probabilities.
    """
    if not completion.token_logprobs or not completion.tokens:
        raise CompletionError(
            f"The {role} model gave no log-probabilities with its reply, and they are never guessed. Use an endpoint "
            f"that gives them ({role}.options: {{logprobs: true}}), or a method that does not read them."
        )
    found, start = [], 0
    for text, logprob in zip(completion.tokens, completion.token_logprobs, strict=True):
        found.append(Token(text, start, logprob))
        start += len(text)
    return found


def confidence(completion: Completion, answer: str, role: str, *, is_label: bool) -> float:
    """How sure the model was of `answer`, which it gave in this reply.

    For a label or an option letter the probability of the whole string, the product over its tokens; for an open
    answer, whose probability falls with its length, the geometric mean over them (SuperICL).

    Raises:
        CompletionError: the model gave no log-probabilities.
    """
    tokens = tokens_of(completion, role)
    start, end = _place(completion.text, answer)
    chosen = [token for token in tokens if token.start < end and token.start + len(token.text) > start] or tokens
    total = math.fsum(token.logprob for token in chosen)
    return math.exp(total if is_label else total / len(chosen))


def _place(text: str, answer: str) -> tuple[int, int]:
    """Where the answer stands: the first time after the last "answer", else its last time; else the whole text."""
    start = text.find(answer, max(text.lower().rfind("answer"), 0))
    start = start if start >= 0 else text.rfind(answer)
    return (start, start + len(answer)) if start >= 0 else (0, len(text))
