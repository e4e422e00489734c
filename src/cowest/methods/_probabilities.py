"""How confident a model was of its reply, from the log-probabilities of its tokens."""

import bisect
import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cowest.errors import CompletionError
from cowest.types import Completion

_MASK = "\N{WHITE SQUARE}"


class Token(NamedTuple):
    """A sampled token: its text, its offset in the reply, and its log-probability."""

    text: str
    start: int
    logprob: float

    @property
    def content_start(self) -> int:
        """The offset of its first character that is not a space."""
        return self.start + len(self.text) - len(self.text.lstrip())

    def is_within(self, start: int, end: int) -> bool:
        """Whether any of its text is between two positions; one without text belongs to the character that follows."""
        return self.start < end and max(self.start + len(self.text), self.start + 1) > start

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


def confidence(completion: Completion, read: Callable[[str], str | None], role: str, *, is_label: bool) -> float:
    """How confident the model was of the answer that it gave in this reply.

    For a label or option letter, the probability of the string, which is the product over its tokens. For an open
    answer, whose probability falls with its length, the geometric mean over its tokens (SuperICL). Where the answer is
    not literally in the reply, all tokens count.

    Args:
        completion: the reply.
        read: parses the final answer of a text, as it was parsed from this reply.
        role: of the model, for messages.
        is_label: whether the answer is a label or an option.

    Raises:
        CompletionError: the model gave no log-probabilities.
    """
    tokens = tokens_of(completion, role)
    # The offsets count in the text of the tokens: a reply may lack spaces or special tokens that they hold.
    start, end = locate("".join(token.text for token in tokens), read(completion.text) or "", read)
    answer_tokens = [token for token in tokens if token.is_within(start, end)] or tokens
    total = math.fsum(token.logprob for token in answer_tokens)
    return math.exp(total if is_label else total / len(answer_tokens))


def locate(text: str, answer: str, read: Callable[[str], str | None]) -> tuple[int, int]:
    """The span of the answer that `read` parses from a text; the whole text if the answer is not literally in it.

    The same letters may also occur in the reasoning, in the word "Answer" or after the answer. So the occurrences are
    masked from the end, and the span is the first occurrence that makes `read` find the answer once it is visible.
    """
    literal = re.escape(answer)
    word = (r"(?<!\w)" if re.match(r"\w", answer) else "") + literal + (r"(?!\w)" if re.search(r"\w$", answer) else "")
    for pattern, flags in ((word, 0), (word, re.IGNORECASE), (literal, re.IGNORECASE)):
        spans = [match.span() for match in re.finditer(pattern, text, flags)] if answer else []

        def is_read(num_visible: int, spans: Sequence[tuple[int, int]] = spans) -> bool:
            masked = text
            for start, end in reversed(spans[num_visible:]):
                masked = masked[:start] + _MASK + masked[end:]
            return read(masked) == answer

        if spans and not is_read(0):
            first = bisect.bisect_left(range(1, len(spans) + 1), True, key=is_read)
            return spans[min(first, len(spans) - 1)]
    return 0, len(text)
