"""How sure a model was of what it wrote, read from the log-probabilities of its own tokens."""

import bisect
import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cowest.errors import CompletionError
from cowest.types import Completion

_MASK = "\N{WHITE SQUARE}"


class Token(NamedTuple):
    """A sampled token: its text, where it begins in the whole, and its log-probability."""

    text: str
    start: int
    logprob: float

    @property
    def content_start(self) -> int:
        """Where it begins, spaces before it aside."""
        return self.start + len(self.text) - len(self.text.lstrip())

    def is_within(self, start: int, end: int) -> bool:
        """Whether any of its text is between two positions; one without text belongs to the character that follows."""
        return self.start < end and max(self.start + len(self.text), self.start + 1) > start

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


def confidence(completion: Completion, read: Callable[[str], str | None], role: str, *, is_label: bool) -> float:
    """How sure the model was of the answer that it gave in this reply.

    For a label or an option letter the probability of the whole string, the product over its tokens; for an open
    answer, whose probability falls with its length, the geometric mean over them (SuperICL). Where the answer is not
    literally in the reply, that of the whole reply.

    Args:
        completion: the reply.
        read: finds the final answer in a text, as it was found in this reply.
        role: of the model, for messages.
        is_label: whether the answer is a label or an option.

    Raises:
        CompletionError: the model gave no log-probabilities.
    """
    tokens = tokens_of(completion, role)
    # The text of the tokens, in which their places count: a reply may lack spaces or special tokens that they hold.
    start, end = place("".join(token.text for token in tokens), read(completion.text) or "", read)
    chosen = [token for token in tokens if token.is_within(start, end)] or tokens
    total = math.fsum(token.logprob for token in chosen)
    return math.exp(total if is_label else total / len(chosen))


def place(text: str, answer: str, read: Callable[[str], str | None]) -> tuple[int, int]:
    """Where a text gives its answer: the first place up to which it has to be left in for `read` to find it.

    Other places where the same letters stand, in the reasoning, in "Answer" or after the answer was given, are told
    apart by reading the text again with places masked. The whole text where no place is found.
    """
    literal = re.escape(answer)
    word = (r"(?<!\w)" if re.match(r"\w", answer) else "") + literal + (r"(?!\w)" if re.search(r"\w$", answer) else "")
    for pattern, flags in ((word, 0), (word, re.IGNORECASE), (literal, re.IGNORECASE)):
        found = [match.span() for match in re.finditer(pattern, text, flags)] if answer else []

        def is_read(count: int, spans: Sequence[tuple[int, int]] = found) -> bool:
            masked = text
            for start, end in reversed(spans[count:]):
                masked = masked[:start] + _MASK + masked[end:]
            return read(masked) == answer

        if found and not is_read(0):
            first = bisect.bisect_left(range(1, len(found) + 1), True, key=is_read)
            return found[min(first, len(found) - 1)]
    return 0, len(text)
