"""Self-Refine (Madaan et al. 2023): a model criticises and rewrites its own answer, without the other model."""

import re
from typing import Literal

from cowest.collaboration import Calls, Collaboration
from cowest.methods._final_answer import final_answer
from cowest.methods.base import Method, Setting, predict
from cowest.prompts.declared import uses
from cowest.tasks.base import Task
from cowest.types import Answer, Completion, Example, Prediction

ENOUGH = "NOTHING TO CHANGE"
"""The whole text of a critique that leaves the answer as it is."""


class SelfRefine:
    """Answers with one model that criticises itself until it finds nothing to change.

    The first answer is the model's own: the weak model's draft, or the strong one's with chain of thought. Every prompt
    holds the whole history.
    """

    def __init__(
        self,
        role: Literal["weak", "strong"],
        collaboration: Collaboration,
        task: Task,
        rounds: int,
        round: int | None = None,
    ) -> None:
        self.name = f"self_refine_{role}"
        self.role = role
        self.collaboration = collaboration
        self.task = task
        self.rounds = rounds
        self.round = round

    async def predict(self, example: Example) -> Prediction:
        """One call for the first answer, then two per round; the last round may end after the critique."""
        latest = await self._first_answer(example.query)
        calls: Calls = [(self.role, latest)]
        history = f"Attempt 1:\n{latest.text}"
        for number in range(1, self.rounds + 1):
            values = {"query": example.query, "history": history, "enough": ENOUGH}
            critique = await self.collaboration.ask(self.role, "self_refine_critique", values)
            calls.append((self.role, critique))
            if says_enough(critique.text):
                break
            history += f"\n\nCritique {number}:\n{critique.text}"
            values = {"query": example.query, "history": history}
            latest = await self.collaboration.ask(self.role, "self_refine_rewrite", values)
            calls.append((self.role, latest))
            history += f"\n\nAttempt {number + 1}:\n{latest.text}"
        read = self._parse(example, latest.text)
        answer = await final_answer(self.collaboration, self.role, self.task, example, latest.text, calls, found=read)
        return predict(self.name, self.task, example, answer, calls, output=latest.text)

    async def close(self) -> None:
        """Releases the weak model; keeps the strong one, which the other methods need too."""
        if self.role == "weak":
            await self.collaboration.weak.close()

    async def _first_answer(self, query: str) -> Completion:
        return await (self.collaboration.draft(query) if self.role == "weak" else self.collaboration.solo(query))

    def _parse(self, example: Example, text: str) -> Answer:
        if self.role == "weak":
            return self.collaboration.read_draft(self.task, example, text)
        return self.task.parse(example, text)


def says_enough(critique: str) -> bool:
    """Whether a critique says only that nothing is to change; ignores case and punctuation."""
    return re.sub(r"[\W_]+", " ", critique).strip().upper() == ENOUGH


@uses("solo_chain_of_thought", "self_refine_critique", "self_refine_rewrite")
def variants(setting: Setting) -> list[Method]:
    """`self_refine_weak`, with the model as it is before SFT where there is one, and `self_refine_strong`."""
    rounds = setting.options.self_refine.rounds
    stage, round_number = ("base", None) if "base" in setting.weak else ("sft", setting.first_round)
    return [
        SelfRefine("weak", setting.with_weak(stage), setting.task, rounds, round_number),
        SelfRefine("strong", setting.without_weak(), setting.task, rounds),
    ]


PLUGIN = variants
