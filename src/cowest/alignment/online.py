"""The models and queries of a method that drafts while it trains."""

from collections.abc import Mapping
from dataclasses import dataclass

from cowest.collaboration import Collaboration
from cowest.judge import BaseJudge
from cowest.types import Example


@dataclass(frozen=True)
class Online:
    """What a method needs that drafts while it trains.

    Attributes:
        examples: the queries by id.
        collaboration: its strong model refines; its weak model is not called.
        judge: E.
        num_in_flight: drafts worked on at once; None is as many as the models take.
    """

    examples: Mapping[str, Example]
    collaboration: Collaboration
    judge: BaseJudge
    num_in_flight: int | None = None

    def identity(self) -> dict[str, str]:
        """What verdicts depend on."""
        strong = self.collaboration.strong
        return {
            "strong": strong.identity,
            "sampling": repr(self.collaboration.strong_sampling),
            "judge": self.judge.name,
        }
