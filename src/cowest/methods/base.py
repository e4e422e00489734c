"""What a method is: a way to get a prediction for an example."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cowest.collaboration import Collaboration
from cowest.models.base import ChatModel
from cowest.tasks.base import Task
from cowest.types import Answer, Completion, Example, Prediction, Usage


@runtime_checkable
class Method(Protocol):
    """A row of the results: something that answers examples.

    `round` says which round's aligned model it uses, where it uses one.
    """

    name: str
    round: int | None

    async def predict(self, example: Example) -> Prediction:
        """Answers one example.

        Raises:
            CompletionError: a call got no usable reply.
        """
        ...

    async def close(self) -> None:
        """Releases the memory of models that hardly any other method needs."""
        ...


@dataclass(frozen=True)
class Setting:
    """What the methods of a run are made from.

    Attributes:
        weak: the weak model's stages by name: "base", "sft", "round_1", "round_2", ...
        strong: the strong model.
        collaborate: makes the collaboration of a weak model with the strong one, sampled as evaluation samples.
        task: scores the answers.
    """

    weak: Mapping[str, ChatModel]
    strong: ChatModel
    collaborate: Callable[[ChatModel], Collaboration]
    task: Task

    def with_weak(self, stage: str) -> Collaboration:
        """The strong model with the weak one as it is after `stage`."""
        return self.collaborate(self.weak[stage])

    def without_weak(self) -> Collaboration:
        """The strong model in both places, for methods that never draft."""
        return self.collaborate(self.strong)

    @property
    def num_rounds(self) -> int:
        """How many rounds of alignment there are."""
        return sum(name.startswith("round_") for name in self.weak)


def predict(
    method: str,
    task: Task,
    example: Example,
    answer: Answer,
    calls: list[tuple[str, Completion]],
    *,
    draft: str | None = None,
) -> Prediction:
    """Makes the prediction record of one example from the completions it took, in order, each with its role."""
    scores = task.score(example, answer)
    usage: dict[str, Usage] = {}
    num_calls: dict[str, int] = {}
    for role, completion in calls:
        usage[role] = usage.get(role, Usage()) + completion.usage
        num_calls[role] = num_calls.get(role, 0) + 1
    costs = [completion.cost_usd for _, completion in calls]
    return Prediction(
        id=example.id,
        method=method,
        query=example.query,
        reference=example.references,
        draft=draft,
        output=calls[-1][1].text if calls else "",
        answer=answer.final,
        correct=scores[task.metric],
        scores=scores,
        gold_label=task.gold_label(example),
        label=task.label_of(example, answer),
        calls=num_calls,
        usage=usage,
        latency_s=sum(completion.latency_s for _, completion in calls),
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
    )
