"""What a judge is: it scores an output against the references of an example, from 1 to 10."""

import abc
from typing import Protocol

from cowest.types import Example, Verdict


class Judge(Protocol):
    """E in the paper."""

    name: str

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Scores `output` against the references of `example`.

        A score that cannot be had is an unscored verdict with the reason, never a number.
        """
        ...


class BaseJudge(abc.ABC):
    """A Judge that also says how many calls it makes; the defaults hold for one that asks no model.

    Attributes:
        repeats: how often it judges each output.
        num_calls_saved: calls that were not made because the same text had been judged.
    """

    name: str
    repeats: int = 1
    num_calls_saved: int = 0

    @abc.abstractmethod
    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Scores `output`; see `Judge.score`."""


def as_base_judge(judge: Judge) -> BaseJudge:
    """The judge itself if it is a BaseJudge, else one around it with the defaults."""
    return judge if isinstance(judge, BaseJudge) else _Adapted(judge)


class _Adapted(BaseJudge):
    """A Judge without the base class, such as a plug-in's."""

    def __init__(self, judge: Judge) -> None:
        self.name = judge.name
        self._judge = judge

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        return await self._judge.score(example, output, sample_index)
