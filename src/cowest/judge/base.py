"""What a judge is: it scores an output against the references of an example, from 1 to 10."""

import abc
from collections.abc import Mapping
from typing import Protocol

from cowest.models.base import ChatModel
from cowest.types import Example, Verdict

NO_REFERENCE = Verdict(unscored_reason="the row has no reference; judge: {reference: none} needs none")
"""The verdict of a judge that needs a reference on a row without one."""


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
        num_asked_again: replies that no verdict could be read from, so that the question was asked once more.
    """

    name: str
    repeats: int = 1
    num_calls_saved: int = 0
    num_asked_again: int = 0

    @abc.abstractmethod
    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Scores `output`; see `Judge.score`."""

    async def solo(self, example: Example, text: str) -> Verdict:
        """The verdict on z; by default its score."""
        return await self.score(example, text)

    async def against(self, example: Example, output: str, solo: str, sample_index: int = 0) -> Verdict:
        """The verdict on `output`, to be set against that on z, whose text is `solo`; by default its score."""
        return await self.score(example, output, sample_index)

    @property
    def models(self) -> Mapping[str, ChatModel]:
        """The models that it asks, by role."""
        return {}

    @property
    def num_calls_per_verdict(self) -> int:
        """Calls that a verdict on an output takes, where every reply is an allowed one."""
        return self.repeats

    @property
    def num_calls_per_solo(self) -> int:
        """Calls that the verdict on z takes."""
        return self.num_calls_per_verdict


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
