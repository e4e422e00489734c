"""A model as a judge, with the rubric of the paper's Figure 7."""

import re
from collections.abc import Mapping

from cowest.concurrency import map_in_flight
from cowest.errors import InputError
from cowest.judge.asking import REPEAT_STRIDE, Asking, Reply
from cowest.judge.base import NO_REFERENCE, BaseJudge
from cowest.judge.config import EQUAL_REPEATS, JUDGE_SAMPLING
from cowest.judge.rules import median_of_scored
from cowest.models.base import ChatModel
from cowest.prompts import Prompts
from cowest.prompts.declared import uses
from cowest.prompts.fence import fence_mark
from cowest.types import Example, Message, Sampling, Verdict

_SCORE = re.compile(r"\s*(10|[1-9])\s*")


class AskingJudge(BaseJudge):
    """What judges that ask a model share: the model, the repeats, and the calls that they made and saved."""

    def __init__(self, asking: Asking, repeats: int) -> None:
        self.model = asking.model
        self.prompts = asking.prompts
        self.sampling = asking.sampling
        self.repeats = repeats
        self.num_calls_saved = 0
        self.num_asked_again = 0
        self._asking = asking
        if repeats > 1 and self.sampling.temperature == 0:
            raise InputError(f"The judge cannot be made so: {EQUAL_REPEATS}.")

    @property
    def models(self) -> Mapping[str, ChatModel]:
        """The model, in the role of the judge."""
        return {"judge": self.model}

    async def reply(self, messages: tuple[Message, ...], sample_index: int) -> Reply:
        """The model's reply to one question."""
        reply = await self._asking.reply(messages, sample_index)
        if reply.is_repeated:
            self.num_calls_saved += reply.num_calls
        else:
            self.num_asked_again += reply.num_calls == 2
        return reply

    def indices(self, sample_index: int) -> list[int]:
        """The sample indices of the repeats; a single one keeps its index."""
        return [sample_index + repeat * REPEAT_STRIDE for repeat in range(self.repeats)]


@uses("judge", "judge_again")
class ModelJudge(AskingJudge):
    """A model with the rubric of Figure 7. Takes an integer from 1 to 10 and nothing else, and asks once more.

    At temperature 0 the same text is judged once, whichever draft it came from.

    Args:
        model: who judges.
        prompts: templates; the built-in ones by default.
        sampling: temperature 0 by default.
        repeats: verdicts whose median counts; more than one needs a temperature above 0.

    Raises:
        InputError: several repeats at temperature 0.
    """

    name = "model"

    def __init__(
        self, model: ChatModel, prompts: Prompts | None = None, sampling: Sampling | None = None, repeats: int = 1
    ) -> None:
        asking = Asking(
            model,
            prompts or Prompts(),
            sampling or JUDGE_SAMPLING,
            template="judge",
            again="judge_again",
            allowed=_SCORE,
            wanted="integer from 1 to 10",
        )
        super().__init__(asking, repeats)

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Scores `output`; unscored where the model gave no integer twice or no reply at all.

        With repeats the verdict is the median of those that are scored, the lower of the two in the middle where
        their number is even, and unscored where more than half of them are.
        """
        if not example.references:
            return NO_REFERENCE
        messages = self._messages(example, output)
        replies = await map_in_flight(
            lambda index: self.reply(messages, index), self.indices(sample_index), num_in_flight=self.repeats
        )
        return median_of_scored([_verdict(reply) for reply in replies])

    def _messages(self, example: Example, output: str) -> tuple[Message, ...]:
        reference = _reference_text(example)
        return self.prompts.render("judge", reference=reference, output=output, mark=fence_mark(reference + output))


_SCORED = {str(score): Verdict(score=score) for score in range(1, 11)}


def _verdict(reply: Reply) -> Verdict:
    return Verdict(unscored_reason=reply.reason) if reply.text is None else _SCORED[reply.text]


def _reference_text(example: Example) -> str:
    answer = " or ".join(example.references)
    return f"Explanation: {example.explanation}\nAnswer: {answer}" if example.explanation else f"Answer: {answer}"
