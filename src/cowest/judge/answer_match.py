"""A judge without a model: the task's own metric."""

from cowest.judge.base import NO_REFERENCE, BaseJudge
from cowest.prompts.declared import uses
from cowest.tasks.base import Task
from cowest.types import Example, Verdict


@uses()
class AnswerMatchJudge(BaseJudge):
    """10 where the task's headline metric is full, else 1."""

    name = "answer_match"

    def __init__(self, task: Task) -> None:
        self.task = task

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Parses the answer out of `output` and scores it by the task's own metric."""
        if not example.references:
            return NO_REFERENCE
        full = self.task.score(example, self.task.parse(example, output))[self.task.metric] >= 1.0
        return Verdict(score=10 if full else 1)
