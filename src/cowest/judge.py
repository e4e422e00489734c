"""Judges: how good an output is against the reference, from 1 to 10 (paper section 3.3.1, Figure 7)."""

import re
from typing import Any, Protocol

from cowest.errors import CompletionError, InputError
from cowest.models.base import ChatModel
from cowest.plugins import load, nearest, refuse_unknown
from cowest.prompts import Prompts
from cowest.tasks.base import Task
from cowest.types import ChatRequest, Example, Message, Sampling, Verdict

JUDGE_SAMPLING = Sampling(temperature=0.0)
"""Ours, since the paper gives none: a repeatable judge adds no noise of its own."""

_SCORE = re.compile(r"\s*(10|[1-9])\s*")


class Judge(Protocol):
    """E in the paper."""

    name: str

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Scores `output` against the references of `example`.

        A score that cannot be had is an unscored verdict with the reason, never a number.
        """
        ...


class ModelJudge:
    """A model with the rubric of Figure 7. Takes an integer from 1 to 10 and nothing else, and asks once more."""

    name = "model"

    def __init__(self, model: ChatModel, prompts: Prompts | None = None, sampling: Sampling | None = None) -> None:
        self.model = model
        self.prompts = prompts or Prompts()
        self.sampling = sampling or JUDGE_SAMPLING

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Scores `output`; unscored where the model gave no integer twice or no reply at all."""
        messages = self.prompts.render("judge", reference=_reference_text(example), output=output)
        try:
            reply = await self._ask(messages, sample_index)
            if not _SCORE.fullmatch(reply):
                again = self.prompts.render("judge_again")
                reply = await self._ask((*messages, Message(role="assistant", content=reply), *again), sample_index)
        except CompletionError as error:
            return Verdict(unscored_reason=f"the judge gave no reply: {error}")
        match = _SCORE.fullmatch(reply)
        if match is None:
            return Verdict(unscored_reason=f"the judge twice gave no integer from 1 to 10, last: {reply[:80]!r}")
        return Verdict(score=int(match[1]))

    async def _ask(self, messages: tuple[Message, ...], sample_index: int) -> str:
        request = ChatRequest(
            messages=messages,
            sampling=self.sampling,
            sample_index=sample_index,
            prompt_version=self.prompts.version("judge"),
        )
        return (await self.model.complete(request)).text


class AnswerMatchJudge:
    """A judge without a model: 10 where the task's headline metric is full, else 1."""

    name = "answer_match"

    def __init__(self, task: Task) -> None:
        self.task = task

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Parses the answer out of `output` and scores it by the task's own metric."""
        from cowest import answers

        full = self.task.score(example, answers.parse(output))[self.task.metric] >= 1.0
        return Verdict(score=10 if full else 1)


def load_judge(name: str, task: Task, **options: Any) -> Judge:
    """A judge without a model: "answer_match", or `package.module:Class`, which is given `task` and the options.

    Raises:
        InputError: there is no such judge.
    """
    if name == AnswerMatchJudge.name:
        if options:
            raise InputError(f"The judge {name!r} takes no options, but was given {sorted(options)}. Leave them out.")
        return AnswerMatchJudge(task)
    if ":" not in name:
        raise InputError(
            f"There is no judge named {name!r}.{nearest(name, [AnswerMatchJudge.name])} "
            f"Choices: {AnswerMatchJudge.name}; or package.module:Class for your own."
        )
    judge_class = load(name, "cowest.judge", "judge")
    try:
        refuse_unknown("judge", judge_class, options, given=["task"])
        judge: Judge = judge_class(task=task, **options)
    except TypeError as error:
        raise InputError(f"The judge {name!r} cannot be made from the options {sorted(options)}: {error}.") from error
    return judge


def _reference_text(example: Example) -> str:
    answer = " or ".join(example.references)
    return f"Explanation: {example.explanation}\nAnswer: {answer}" if example.explanation else f"Answer: {answer}"
