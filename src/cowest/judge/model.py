"""A model as a judge, with the rubric of the paper's Figure 7."""

import asyncio
import hashlib
import re
import statistics
from typing import Self

from pydantic import Field, model_validator

from cowest.concurrency import map_in_flight
from cowest.errors import CompletionError, InputError
from cowest.judge.base import BaseJudge
from cowest.models.base import ChatModel
from cowest.models.config import ModelConfig
from cowest.prompts import Prompts
from cowest.prompts.declared import uses
from cowest.prompts.fence import fence_mark
from cowest.types import ChatRequest, Example, Message, Sampling, Verdict

JUDGE_SAMPLING = Sampling(temperature=0.0)
"""Ours, since the paper gives none: a repeatable judge adds no noise of its own."""

_SCORE = re.compile(r"\s*(10|[1-9])\s*")
_REPEAT_STRIDE = 1_000_000
"""Distance between the sample indices of two repeats; raising `repeats` leaves earlier indices unchanged."""

_EQUAL_REPEATS = "repeats above 1 need a temperature above 0 in the judge's sampling; at 0 all of them would be equal"


class JudgeConfig(ModelConfig):
    """A model as a judge: the keys of a model, and how often it judges.

    Attributes:
        repeats: how often each output is judged; the verdict is the median. Needs a temperature above 0.
    """

    sampling: Sampling = JUDGE_SAMPLING
    repeats: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _repeats_differ(self) -> Self:
        if self.repeats > 1 and self.sampling.temperature == 0:
            raise ValueError(_EQUAL_REPEATS)
        return self


_MOST_KNOWN = 65_536
"""Verdicts kept in memory, so that an equal output is not asked about again."""


@uses("judge", "judge_again")
class ModelJudge(BaseJudge):
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
        self.model = model
        self.prompts = prompts or Prompts()
        self.sampling = sampling or JUDGE_SAMPLING
        self.repeats = repeats
        self.num_calls_saved = 0
        if repeats > 1 and self.sampling.temperature == 0:
            raise InputError(f"The judge cannot be made so: {_EQUAL_REPEATS}.")
        self._known: dict[bytes, tuple[Verdict, int]] = {}
        self._asking: dict[bytes, asyncio.Lock] = {}

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Scores `output`; unscored where the model gave no integer twice or no reply at all.

        With repeats the verdict is the median of those that are scored, the lower of the two in the middle where
        their number is even, and unscored where more than half of them are.
        """
        messages = self._messages(example, output)
        if self.sampling.temperature == 0:
            return await self._once(messages)
        indices = [sample_index + repeat * _REPEAT_STRIDE for repeat in range(self.repeats)]
        verdicts = await map_in_flight(
            lambda index: self._verdict(messages, index), indices, num_in_flight=self.repeats
        )
        return _median([verdict for verdict, _ in verdicts])

    def _messages(self, example: Example, output: str) -> tuple[Message, ...]:
        reference = _reference_text(example)
        return self.prompts.render("judge", reference=reference, output=output, mark=fence_mark(reference + output))

    async def _once(self, messages: tuple[Message, ...]) -> Verdict:
        key = hashlib.sha256(repr(messages).encode("utf-8", "surrogatepass")).digest()
        async with self._asking.setdefault(key, asyncio.Lock()):
            try:
                if key in self._known:
                    verdict, num_calls = self._known[key]
                    self.num_calls_saved += num_calls
                    return verdict
                verdict, num_calls = await self._verdict(messages, 0)
                if num_calls:
                    self._known[key] = verdict, num_calls
                    if len(self._known) > _MOST_KNOWN:  # the ledger still knows it
                        del self._known[next(iter(self._known))]
                return verdict
            finally:
                self._asking.pop(key, None)

    async def _verdict(self, messages: tuple[Message, ...], sample_index: int) -> tuple[Verdict, int]:
        """A verdict and the number of calls it took; 0 where a call failed, which may succeed when it is repeated."""
        try:
            reply, num_calls = await self._ask(messages, sample_index), 1
            if not _SCORE.fullmatch(reply):
                again = self.prompts.render("judge_again")
                messages = (*messages, Message(role="assistant", content=reply), *again)
                reply, num_calls = await self._ask(messages, sample_index), 2
        except CompletionError as error:
            return Verdict(unscored_reason=f"the judge gave no reply: {error}"), 0
        match = _SCORE.fullmatch(reply)
        if match is None:
            reason = f"the judge twice gave no integer from 1 to 10, last: {reply[:80]!r}"
            return Verdict(unscored_reason=reason), num_calls
        return _SCORED[int(match[1])], num_calls

    async def _ask(self, messages: tuple[Message, ...], sample_index: int) -> str:
        request = ChatRequest(
            messages=messages,
            sampling=self.sampling,
            sample_index=sample_index,
            prompt_version=self.prompts.version("judge"),
        )
        return (await self.model.complete(request)).text


_SCORED = {score: Verdict(score=score) for score in range(1, 11)}


def _median(verdicts: list[Verdict]) -> Verdict:
    scores = [verdict.score for verdict in verdicts if verdict.score is not None]
    if 2 * len(scores) >= len(verdicts):
        return _SCORED[statistics.median_low(scores)]
    if len(verdicts) == 1:
        return verdicts[0]
    reasons = "; ".join(dict.fromkeys(verdict.unscored_reason or "" for verdict in verdicts if verdict.score is None))
    num_unscored = len(verdicts) - len(scores)
    return Verdict(unscored_reason=f"{num_unscored} of {len(verdicts)} verdicts are unscored: {reasons}")


def _reference_text(example: Example) -> str:
    answer = " or ".join(example.references)
    return f"Explanation: {example.explanation}\nAnswer: {answer}" if example.explanation else f"Answer: {answer}"
