"""The weak model's confidence in its draft."""

import math

from cowest.types import Completion


def confidence(draft: Completion) -> float | None:
    """The weak model's confidence in its draft: the geometric mean of its tokens' probabilities, in [0, 1].

    Returns:
        None where the draft has no log-probabilities, or was truncated at its token limit and cannot stand alone.
    """
    if not draft.token_logprobs or draft.finish_reason == "length":
        return None
    return math.exp(min(0.0, math.fsum(draft.token_logprobs) / len(draft.token_logprobs)))
