"""How confident the weak model is of its draft."""

import math

from cowest.types import Completion


def confidence(draft: Completion) -> float | None:
    """How sure the weak model was of its draft: the geometric mean of its tokens' probabilities, in [0, 1].

    Returns:
        None where the draft carries no log-probabilities, or was cut at its token limit, so that it cannot stand alone.
    """
    if not draft.token_logprobs or draft.finish_reason == "length":
        return None
    return math.exp(min(0.0, math.fsum(draft.token_logprobs) / len(draft.token_logprobs)))
