"""SuperICL (Xu et al. 2024): the strong model sees the weak one's predictions and confidences as demonstrations."""

import bisect
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from cowest import metrics
from cowest.collaboration import Calls, Collaboration
from cowest.errors import CowestError, InputError
from cowest.methods._final_answer import final_answer
from cowest.methods._options import SuperICLOptions
from cowest.methods._probabilities import confidence
from cowest.methods.base import Method, Setting, normalized_question, predict, prepare
from cowest.prompts.declared import uses
from cowest.records import Preparation
from cowest.tasks.base import Task
from cowest.types import Answer, Completion, Example, Prediction


class Demonstration(NamedTuple):
    """An example with prediction and label, as text for the prompt; `identity` identifies its question."""

    identity: str
    text: str


class SuperICL:
    """Answers with the strong model, given demonstrations of how reliable the weak model is.

    Args:
        collaboration: the weak model after SFT, with the strong one.
        task: scores the answers.
        unseen: examples that the weak model was not trained on, since it does too well on training examples.
        options: of the method.
        seed: draws the demonstrations.
        count_tokens: counts a text's tokens for the strong model.
    """

    name = "super_icl"
    round: int | None = 0

    def __init__(
        self,
        collaboration: Collaboration,
        task: Task,
        unseen: Sequence[Example],
        options: SuperICLOptions,
        seed: int,
        count_tokens: Callable[[str], int],
    ) -> None:
        self.collaboration = collaboration
        self.task = task
        self.options = options
        self.count_tokens = count_tokens
        order = Random(f"super_icl {seed}").sample(range(len(unseen)), len(unseen))
        self._chosen = [unseen[index] for index in order[: options.demonstrations]]
        self._demonstrations: list[Demonstration] | None = None

    async def prepare(self, num_in_flight: int | None) -> Preparation:
        """One call of the weak model for each demonstration."""
        self._demonstrations, preparation = await prepare(self.name, self._chosen, self._demonstrate, num_in_flight)
        return preparation

    async def predict(self, example: Example) -> Prediction:
        """One call of each model, and another of the strong one to explain an override, if that is wanted."""
        draft = await self.collaboration.draft(example.query)
        weak_answer = self._read_draft(example, draft.text)
        values = {"query": example.query, "prediction": self._prediction_text(example, draft)}
        demonstrations = self._demonstrations_that_fit(example, values)
        output = await self.collaboration.ask("strong", "super_icl", values | {"demonstrations": demonstrations})
        calls: Calls = [("weak", draft), ("strong", output)]
        answer = await final_answer(self.collaboration, "strong", self.task, example, output.text, calls)
        text = output.text
        if self.options.explain_overrides and self._overrides(example, answer, weak_answer):
            explanation = await self.collaboration.ask(
                "strong", "super_icl_override", values | {"answer": answer.final or ""}
            )
            calls.append(("strong", explanation))
            text = f"{output.text}\n\n{explanation.text}"
        return predict(self.name, self.task, example, answer, calls, draft=draft.text, output=text)

    async def close(self) -> None:
        """Releases the weak model."""
        await self.collaboration.weak.close()

    async def _demonstrate(self, example: Example) -> tuple[Demonstration, Calls]:
        draft = await self.collaboration.draft(example.query)
        (message,) = self.collaboration.prompts.render(
            "super_icl_demonstration",
            query=example.query,
            prediction=self._prediction_text(example, draft),
            label=example.references[0],
        )
        return Demonstration(self._identity(example), message.content), [("weak", draft)]

    def _prediction_text(self, example: Example, draft: Completion) -> str:
        def read(text: str) -> str | None:
            return self._read_draft(example, text).final

        answer = read(draft.text)
        if answer is None:
            return "no answer"
        probability = confidence(draft, read, "weak", is_label=self.task.gold_label(example) is not None)
        return f"{answer} (confidence: {probability:.2f})"

    def _read_draft(self, example: Example, text: str) -> Answer:
        return self.collaboration.read_draft(self.task, example, text)

    def _demonstrations_that_fit(self, example: Example, values: dict[str, str]) -> str:
        """The demonstrations without the example itself, as many as the prompt has space for."""
        if self._demonstrations is None:
            raise CowestError("SuperICL predicts with demonstrations. Call prepare() first.")
        own = self._identity(example)
        texts = [demonstration.text for demonstration in self._demonstrations if demonstration.identity != own]

        def is_too_long(count: int) -> bool:
            return self._num_tokens("\n\n".join(texts[:count]), values) > self.options.max_prompt_tokens

        # A binary search, since counting tokens can be slow; with one more demonstration the prompt never gets shorter.
        num_fitting = bisect.bisect_left(range(1, len(texts) + 1), True, key=is_too_long)
        return "\n\n".join(texts[:num_fitting])

    def _num_tokens(self, demonstrations: str, values: dict[str, str]) -> int:
        messages = self.collaboration.prompts.render("super_icl", demonstrations=demonstrations, **values)
        return sum(self.count_tokens(message.content) for message in messages)

    def _overrides(self, example: Example, answer: Answer, weak_answer: Answer) -> bool:
        if weak_answer.final is None or answer.final is None:
            return False
        labels = self.task.label_of(example, answer), self.task.label_of(example, weak_answer)
        if labels != (None, None):
            return labels[0] != labels[1]
        return metrics.exact_match(answer.final, [weak_answer.final]) != 1.0

    def _identity(self, example: Example) -> str:
        return normalized_question(self.task.identity(example))


@uses("super_icl", "super_icl_demonstration", "super_icl_override")
def variants(setting: Setting) -> list[Method]:
    """`super_icl`."""
    options = setting.options.super_icl
    setting.needs_logprobs("super_icl", "weak")
    collaboration = setting.with_weak("sft")
    if not collaboration.drafts_hold_answers:
        raise InputError(
            "The method super_icl shows the weak model's answers, but drafts of the format "
            f"{collaboration.format.name} hold none. Use chain_of_thought or direct_answer, or leave super_icl out of "
            "evaluate.methods."
        )
    unseen = setting.unseen()
    if not unseen:
        raise InputError(
            "The method super_icl demonstrates with the weak model's predictions on examples that it was not trained "
            f"on, and this recipe keeps none. Write sft.held_back: {options.demonstrations}, which keeps so many "
            "training rows out of SFT, or feedback.queries_from: held_back, or name a task.validation split that is "
            "not the measured one, or leave super_icl out of evaluate.methods."
        )
    return [SuperICL(collaboration, setting.task, unseen, options, setting.seed, setting.count_tokens)]


PLUGIN = variants
