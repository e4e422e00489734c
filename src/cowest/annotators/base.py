"""What an annotator is: it decides, for one example, which drafts are better than the strong model alone."""

import abc
from collections.abc import Sequence
from typing import Protocol

from cowest import preferences
from cowest.collaboration import Collaboration
from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError
from cowest.judge import Judge, as_base_judge
from cowest.types import ComparedExample, Draft, Example, GradedDraft, GradedExample, Message, Verdict

PERFECT = 10
"""A solo score that no draft can beat: the first exact rule of `skip_settled`."""


NO_DRAFT = "failed"
"""The finish reason of a draft that the weak model gave no usable reply for."""


class RewardModel(Protocol):
    """Scores texts as replies to a prompt; higher is better."""

    def __call__(self, prompt: Sequence[Message], texts: Sequence[str]) -> list[float]:
        """One reward a text; may be called from several threads."""
        ...


class Annotator(Protocol):
    """Annotates the preferences of one example."""

    name: str

    async def annotate(self, example: Example) -> GradedExample | ComparedExample:
        """Grades the drafts of `example` against z, or compares them with each other.

        Raises:
            CompletionError: a call that everything else depends on (z, or every one of the drafts) got no usable reply.
        """
        ...


class BaseAnnotator(abc.ABC):
    """An Annotator that also says how many calls it makes.

    Attributes:
        num_calls_per_draft: calls of the two models that one draft takes; the judge's come on top.
    """

    name: str
    num_calls_per_draft: int = 2

    @abc.abstractmethod
    async def annotate(self, example: Example) -> GradedExample | ComparedExample:
        """Annotates the preferences of `example`; see `Annotator.annotate`."""


def as_base_annotator(annotator: Annotator) -> BaseAnnotator:
    """The annotator itself if it is a BaseAnnotator, else one around it with the defaults."""
    return annotator if isinstance(annotator, BaseAnnotator) else _Adapted(annotator)


class _Adapted(BaseAnnotator):
    """An Annotator without the base class, such as a plug-in's."""

    def __init__(self, annotator: Annotator) -> None:
        self.name = annotator.name
        self._annotator = annotator

    async def annotate(self, example: Example) -> GradedExample | ComparedExample:
        return await self._annotator.annotate(example)


class AgainstSolo(BaseAnnotator):
    """Algorithm 1 lines 8 to 20: K drafts, each graded, each grade compared with the grade of z.

    A subclass says what text is graded for a draft.

    Args:
        collaboration: the two models.
        judge: E.
        samples: K, drafts a query.
        skip_settled: leave out calls that cannot change a pair: all drafts where z already has the full score, and
            further drafts once both sets hold floor(K/2).
        until_pair: make further drafts only while the query has no pair.
    """

    def __init__(
        self,
        collaboration: Collaboration,
        judge: Judge,
        *,
        samples: int = 5,
        skip_settled: bool = True,
        until_pair: bool = False,
    ) -> None:
        self.collaboration = collaboration
        self.judge = as_base_judge(judge)
        self.samples = samples
        self.skip_settled = skip_settled
        self.until_pair = until_pair

    @abc.abstractmethod
    async def judged_text(self, example: Example, draft: Draft) -> str:
        """The text that the judge grades for `draft`."""

    def refined_text(self, judged: str) -> str | None:
        """What graded.jsonl keeps as the refined output; None where there is none."""
        return judged

    async def annotate(self, example: Example) -> GradedExample:
        """Grades the drafts of `example` in waves that hold no call more than the rules allow.

        A draft that cannot be had is unscored, like one whose verdict cannot be had. It must not fail the example:
        a draft that the rules leave out could not, so the rules would change the pairs.

        Raises:
            CompletionError: z or every one of the drafts got no usable reply.
        """
        solo = await self.collaboration.solo(example.query)
        solo_verdict = await self.judge.solo(example, solo.text)
        drafts: list[GradedDraft] = []
        skipped = "solo_unscored" if solo_verdict.value is None else None
        if self.skip_settled and solo_verdict.score == PERFECT:
            skipped = "solo_perfect"
        while skipped is None and len(drafts) < self.samples:
            wave = self._wave_size(drafts)
            if wave == 0:
                skipped = preferences.PAIRED if self.until_pair else "settled"
                break
            indices = range(len(drafts), len(drafts) + wave)
            drafts += await map_in_flight(
                lambda index: self._grade(example, index, solo.text, solo_verdict), list(indices), num_in_flight=wave
            )
        if drafts and all(draft.draft.finish_reason == NO_DRAFT for draft in drafts):
            raise CompletionError(str(drafts[0].verdict.unscored_reason))
        return GradedExample(
            example_id=example.id,
            query=example.query,
            solo=solo.text,
            solo_verdict=solo_verdict,
            drafts=tuple(drafts),
            skipped=skipped,
        )

    def _wave_size(self, drafts: list[GradedDraft]) -> int:
        remaining = self.samples - len(drafts)
        if self.until_pair:  # a pair needs two drafts, so that the first two can be made at once
            return min(remaining, preferences.num_drafts_to_settle(drafts, 2))
        if not self.skip_settled:
            return remaining
        return min(remaining, preferences.num_drafts_to_settle(drafts, self.samples))

    async def _grade(self, example: Example, sample_index: int, solo: str, solo_verdict: Verdict) -> GradedDraft:
        try:
            completion = await self.collaboration.draft(example.query, sample_index)
        except CompletionError as error:
            draft = Draft(text="", sample_index=sample_index, finish_reason=NO_DRAFT)
            verdict = Verdict(unscored_reason=str(error))
            return GradedDraft(draft=draft, refined=None, verdict=verdict, gain=None)
        draft = Draft(text=completion.text, sample_index=sample_index, finish_reason=completion.finish_reason)
        refined = None
        try:
            judged = await self.judged_text(example, draft)
            refined = self.refined_text(judged)
            verdict = await self.judge.against(example, judged, solo, sample_index)
        except CompletionError as error:
            verdict = Verdict(unscored_reason=str(error))
        return GradedDraft(draft=draft, refined=refined, verdict=verdict, gain=preferences.gain(verdict, solo_verdict))
