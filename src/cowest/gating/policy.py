"""A gate's policy: regions of the draft's confidence, and who answers in each."""

import bisect
import itertools
import math
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from cowest.types import Completion, Record

Arm = Literal["draft", "strong", "both"]
"""Who answers: the weak model's draft as it is, the strong model without it, or the strong model with it."""

ARMS: tuple[Arm, ...] = get_args(Arm)


def confidence(draft: Completion) -> float | None:
    """How sure the weak model was of its draft: the geometric mean of its tokens' probabilities, in [0, 1].

    Returns:
        None where the draft carries no log-probabilities, or was cut at its token limit, so that it cannot stand alone.
    """
    if not draft.token_logprobs or draft.finish_reason == "length":
        return None
    return math.exp(min(0.0, math.fsum(draft.token_logprobs) / len(draft.token_logprobs)))


class Policy(Record):
    """Who answers, by the draft's confidence.

    Attributes:
        cuts: the confidences at which regions end, ascending; a confidence equal to a cut lies above it.
        arms: of the regions, from the least sure to the surest; one more than cuts.
    """

    cuts: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = ()
    arms: tuple[Arm, ...] = ("both",)

    @model_validator(mode="after")
    def _regions(self) -> Self:
        if len(self.arms) != len(self.cuts) + 1 or any(low >= high for low, high in itertools.pairwise(self.cuts)):
            raise ValueError("a policy has ascending cuts and one more arm than cuts")
        return self

    def arm(self, confidence: float | None) -> Arm:
        """Who answers; both, where there is no confidence to go by."""
        return "both" if confidence is None else self.arms[bisect.bisect_right(self.cuts, confidence)]

    def __str__(self) -> str:
        if not self.cuts:
            return f"always {self.arms[0]}"
        edges = ["", *(f"{cut:.4f}" for cut in self.cuts), ""]
        named = []
        for (low, high), arm in zip(itertools.pairwise(edges), self.arms, strict=True):
            where = f"below {high}" if not low else f"from {low} on" if not high else f"from {low} to {high}"
            named.append(f"{arm} {where}")
        return ", ".join(named)
