"""How confident a model was of its reply, from the log-probabilities of its tokens."""

import math
from typing import NamedTuple

from cowest.errors import CompletionError
from cowest.types import Completion


class Token(NamedTuple):
    """A sampled token: its text, its offset in the reply, and its log-probability."""

    text: str
    start: int
    logprob: float

    @property
    def content_start(self) -> int:
        """The offset of its first character that is not a space."""
        return self.start + len(self.text) - len(self.text.lstrip())

    def is_above(self, probability: float) -> bool:
        """Whether its probability is above this; compared as logarithms, which is exact at the boundary."""
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
    tokens, start = [], 0
    for text, logprob in zip(completion.tokens, completion.token_logprobs, strict=True):
        tokens.append(Token(text, start, logprob))
        start += len(text)
    return tokens


def confidence(completion: Completion, answer: str, role: str, *, is_label: bool) -> float:
    """How confident the model was of `answer`, which it gave in this reply.

    For a label or option letter, the probability of the string, which is the product over its tokens. For an open
    answer, whose probability falls with its length, the geometric mean over its tokens (SuperICL).

    Raises:
        CompletionError: the model gave no log-probabilities.
    """
    tokens = tokens_of(completion, role)
    start, end = _locate(completion.text, answer)
    answer_tokens = [token for token in tokens if token.start < end and token.start + len(token.text) > start] or tokens
    total = math.fsum(token.logprob for token in answer_tokens)
    return math.exp(total if is_label else total / len(answer_tokens))


def _locate(text: str, answer: str) -> tuple[int, int]:
    """The span of the answer: its first occurrence after the last "answer", else its last one, else the whole text."""
    start = text.find(answer, max(text.lower().rfind("answer"), 0))
    start = start if start >= 0 else text.rfind(answer)
    return (start, start + len(answer)) if start >= 0 else (0, len(text))
