"""The strong model alone: with chain of thought, and answer only."""

from cowest.collaboration import Calls, Collaboration
from cowest.methods._final_answer import final_answer
from cowest.methods.base import Method, Setting, predict
from cowest.prompts.declared import uses
from cowest.tasks.base import Task
from cowest.types import Example, Prediction


class StrongOnly:
    """Answers with the strong model and one of the solo prompts."""

    round: int | None = None

    def __init__(
        self, name: str, collaboration: Collaboration, task: Task, template: str = "solo_chain_of_thought"
    ) -> None:
        self.name = name
        self.collaboration = collaboration
        self.task = task
        self.template = template

    async def predict(self, example: Example) -> Prediction:
        """One call of the strong model, and another where the reply holds no answer and the recipe asks for it."""
        output = await self.collaboration.solo(example.query, template=self.template)
        calls: Calls = [("strong", output)]
        answer = await final_answer(self.collaboration, "strong", self.task, example, output.text, calls)
        return predict(self.name, self.task, example, answer, calls, output=output.text)

    async def close(self) -> None:
        """Keeps the strong model, which the other methods need too."""


@uses("solo_chain_of_thought", "solo_direct")
def variants(setting: Setting) -> list[Method]:
    """`strong_only` with chain of thought (the z of Algorithm 1), and `strong_only_direct`."""
    pair = setting.without_weak()
    return [
        StrongOnly("strong_only", pair, setting.task),
        StrongOnly("strong_only_direct", pair, setting.task, "solo_direct"),
    ]


PLUGIN = variants
