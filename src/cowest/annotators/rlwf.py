"""RLWF (Tao and Li 2024): a small annotator, tuned on gold against wrong, ranks the drafts by its implicit reward."""

import asyncio
import math

from cowest.annotators.base import BaseAnnotator, RewardModel
from cowest.collaboration import Collaboration
from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError, InputError
from cowest.judge import Judge
from cowest.prompts.declared import uses
from cowest.types import ComparedExample, Comparison, Draft, Example


@uses()
class Rlwf(BaseAnnotator):
    """Sets the draft with the highest reward against the one with the lowest; the strong model is never asked.

    The preference is Bradley and Terry's, the one that DPO fits: sigmoid of the difference of the two rewards.

    Args:
        collaboration: the two models.
        samples: K, drafts a query.
        reward: the annotator's.
        judge, skip_settled: taken like those of every annotator, and of no use here.

    Raises:
        InputError: fewer than two samples, or no reward.
    """

    name = "rlwf"

    def __init__(
        self,
        collaboration: Collaboration,
        judge: Judge,
        *,
        samples: int = 5,
        skip_settled: bool = True,
        reward: RewardModel | None = None,
    ) -> None:
        if samples < 2:
            raise InputError("rlwf compares drafts, so feedback.samples must be 2 or more. Raise it.")
        if reward is None:
            raise InputError(
                "rlwf ranks drafts by the reward of an annotator that was tuned before. A recipe's feedback tunes it; "
                "in Python give reward=..., such as cowest.stages.annotator.train_annotator returns."
            )
        self.collaboration = collaboration
        self.samples = samples
        self.reward = reward

    async def annotate(self, example: Example) -> ComparedExample:
        """Ranks the drafts of `example`.

        Raises:
            CompletionError: none of the drafts could be had.
        """
        outcomes = await map_in_flight(lambda index: self._draft(example, index), range(self.samples), self.samples)
        drafts = [outcome for outcome in outcomes if isinstance(outcome, Draft)]
        if not drafts:
            raise CompletionError(str(outcomes[0]))
        template = self.collaboration.format.template
        prompt = self.collaboration.prompts.render(template, query=example.query)
        rewards = await asyncio.to_thread(self.reward, prompt, [draft.text for draft in drafts])
        return ComparedExample(
            example_id=example.id,
            query=example.query,
            drafts=tuple(drafts),
            comparisons=(_compare(drafts, rewards),) if len(drafts) > 1 else (),
            rewards=tuple(rewards),
        )

    async def _draft(self, example: Example, index: int) -> Draft | CompletionError:
        try:
            completion = await self.collaboration.draft(example.query, index)
        except CompletionError as error:
            return error
        return Draft(text=completion.text, sample_index=index, finish_reason=completion.finish_reason)


def _compare(drafts: list[Draft], rewards: list[float]) -> Comparison:
    """The best against the worst; the first two where all are equal, which is a tie."""
    best, worst = rewards.index(max(rewards)), rewards.index(min(rewards))
    if best == worst:
        best, worst = 0, 1
    preference = 1 / (1 + math.exp(min(700.0, rewards[worst] - rewards[best])))
    return Comparison(first=drafts[best].sample_index, second=drafts[worst].sample_index, preference=preference)


PLUGIN = Rlwf
