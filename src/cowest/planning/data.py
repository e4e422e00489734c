"""The examples that a recipe's stages work on, and the samples used in a rehearsal."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cowest.pipeline import Pipeline
from cowest.types import Example

MAX_REHEARSED = 64
"""Most examples in the sample of a rehearsal."""


@dataclass(frozen=True)
class RunExamples:
    """The examples of a run's stages.

    Attributes:
        labelled: the rows that SFT trains on.
        pool: the rows from which feedback draws its queries.
        evaluated: the examples of the evaluation.
    """

    labelled: Sequence[Example]
    pool: Sequence[Example]
    evaluated: Sequence[Example]

    @classmethod
    def of(cls, pipeline: Pipeline) -> "RunExamples":
        """Reads the examples of a recipe.

        Raises:
            InputError: a split is missing or broken.
        """
        data = pipeline.context.data
        return cls(data.sft(), data.feedback(), data.evaluation())


def sample(examples: Sequence[Example]) -> Sequence[Example]:
    """Draws at most `MAX_REHEARSED` examples: the first in a random order, always the same.

    All samples share that order, so samples of overlapping sets overlap as far as the sets do, also where the seeds of
    a bench differ.
    """
    if len(examples) <= MAX_REHEARSED:
        return list(examples)
    order = sorted(range(len(examples)), key=lambda index: _rank(examples[index]))
    return [examples[index] for index in sorted(order[:MAX_REHEARSED])]


def _rank(example: Example) -> bytes:
    return hashlib.sha256(repr((example.id, example.query)).encode("utf-8", "surrogatepass")).digest()
