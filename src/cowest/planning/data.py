"""The examples that a recipe's stages work on, and the samples of them that a rehearsal takes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cowest.pipeline import Pipeline
from cowest.types import Example

REHEARSED = 64
"""Examples that a rehearsal takes at most."""


@dataclass(frozen=True)
class Data:
    """The examples of a run: those that SFT learns from, those that feedback draws its queries from, those measured."""

    labelled: Sequence[Example]
    pool: Sequence[Example]
    evaluated: Sequence[Example]

    @classmethod
    def of(cls, pipeline: Pipeline) -> "Data":
        """Reads them.

        Raises:
            InputError: they cannot be used.
        """
        data = pipeline.context.data
        return cls(data.sft(), data.feedback(), data.evaluation())


def sample(examples: Sequence[Example], seed: int) -> Sequence[Example]:
    """At most `REHEARSED` examples: those that come first in an order drawn by the seed, the same one for all samples.

    So of two overlapping sets of examples the samples overlap as far as the sets do.
    """
    if len(examples) <= REHEARSED:
        return list(examples)
    order = sorted(range(len(examples)), key=lambda index: _place(examples[index], seed))
    return [examples[index] for index in sorted(order[:REHEARSED])]


def _place(example: Example, seed: int) -> bytes:
    return hashlib.sha256(repr((seed, example.id, example.query)).encode("utf-8", "surrogatepass")).digest()
