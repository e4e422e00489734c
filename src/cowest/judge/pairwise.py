"""A model as a judge without references: it says which is better, an output or the strong model's own answer."""

import re

from cowest.concurrency import map_in_flight
from cowest.judge.asking import Asking
from cowest.judge.config import JUDGE_SAMPLING
from cowest.judge.model import AskingJudge
from cowest.judge.rules import median_of_scored
from cowest.models.base import ChatModel
from cowest.prompts import Prompts
from cowest.prompts.declared import uses
from cowest.prompts.fence import fence_mark
from cowest.types import Example, Sampling, Verdict

TEMPLATE = "judge_compare"
_VOTE = re.compile(r"\s*([12])\s*")


@uses(TEMPLATE, "judge_compare_again")
class PairwiseJudge(AskingJudge):
    """Compares an output with z in both orders: better or worse where both votes agree, else a tie.

    The verdict on z itself is a tie, without a call, and so is that on a text that equals z: the two orders would be
    one request. At temperature 0 the same text is compared once.

    Args:
        model: who judges.
        prompts: templates; the built-in ones by default.
        sampling: temperature 0 by default.
        repeats: comparisons whose median counts; more than one needs a temperature above 0.

    Raises:
        InputError: several repeats at temperature 0.
    """

    name = "pairwise"

    def __init__(
        self, model: ChatModel, prompts: Prompts | None = None, sampling: Sampling | None = None, repeats: int = 1
    ) -> None:
        asking = Asking(
            model,
            prompts or Prompts(),
            sampling or JUDGE_SAMPLING,
            template=TEMPLATE,
            again="judge_compare_again",
            allowed=_VOTE,
            wanted="1 or 2",
        )
        super().__init__(asking, repeats)

    @property
    def num_calls_per_verdict(self) -> int:
        """Both orders, as often as there are repeats."""
        return 2 * self.repeats

    @property
    def num_calls_per_solo(self) -> int:
        """None: z beside itself is a tie."""
        return 0

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """No score: without references an output is only compared with z."""
        return Verdict(unscored_reason="a judge without references compares outputs with z and scores none alone")

    async def solo(self, example: Example, text: str) -> Verdict:
        """A tie: z beside itself."""
        return Verdict(compared=0)

    async def against(self, example: Example, output: str, solo: str, sample_index: int = 0) -> Verdict:
        """Better (1), a tie (0) or worse (-1) than z; unscored where a vote could not be had."""
        if output.strip() == solo.strip():
            self.num_calls_saved += self.num_calls_per_verdict
            return Verdict(compared=0)
        verdicts = await map_in_flight(
            lambda index: self._compare(example.query, output, solo, index),
            self.indices(sample_index),
            num_in_flight=self.repeats,
        )
        return median_of_scored(verdicts)

    async def _compare(self, query: str, output: str, solo: str, sample_index: int) -> Verdict:
        orders, mark = [(output, solo), (solo, output)], fence_mark(query + output + solo)
        straight, swapped = await map_in_flight(
            lambda texts: self.reply(
                self.prompts.render(TEMPLATE, query=query, first=texts[0], second=texts[1], mark=mark), sample_index
            ),
            orders,
            num_in_flight=len(orders),
        )
        for reply in (straight, swapped):
            if reply.text is None:
                return Verdict(unscored_reason=reply.reason)
        votes = (1 if straight.text == "1" else -1, 1 if swapped.text == "2" else -1)
        return Verdict(compared=sum(votes) // 2, votes=votes)
