"""The ceiling: the strong model with a perfect draft, where the task can provide one."""

from cowest.collaboration import Calls, Collaboration
from cowest.errors import CompletionError
from cowest.methods._final_answer import final_answer
from cowest.methods.base import Method, Setting, predict
from cowest.prompts.declared import uses
from cowest.tasks.base import Task
from cowest.types import Example, Prediction


class Oracle:
    """Answers with the strong model given the task's own perfect draft."""

    name = "oracle"
    round: int | None = None

    def __init__(self, collaboration: Collaboration, task: Task) -> None:
        self.collaboration = collaboration
        self.task = task

    async def predict(self, example: Example) -> Prediction:
        """One call of the strong model.

        Raises:
            CompletionError: the task has no oracle draft for this example.
        """
        draft = self.task.oracle_draft(example)
        if draft is None:
            raise CompletionError(f"The task {self.task.name!r} has no oracle draft; leave oracle out of the methods.")
        output = await self.collaboration.refine(example.query, draft)
        calls: Calls = [("strong", output)]
        answer = await final_answer(self.collaboration, "strong", self.task, example, output.text, calls)
        return predict(self.name, self.task, example, answer, calls, draft=draft, output=output.text)

    async def close(self) -> None:
        """Keeps the strong model, which the other methods need too."""


@uses("refine")
def variants(setting: Setting) -> list[Method]:
    """`oracle`."""
    return [Oracle(setting.without_weak(), setting.task)]


PLUGIN = variants
