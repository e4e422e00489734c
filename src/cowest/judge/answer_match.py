"""A judge without a model: the task's own metric."""

from cowest.errors import InputError
from cowest.judge.base import NO_REFERENCE, BaseJudge
from cowest.prompts.declared import uses
from cowest.tasks.base import Task
from cowest.types import Example, Verdict


@uses()
class AnswerMatchJudge(BaseJudge):
    """10 where the task's headline metric is full, else 1; with `partial`, from 1 to 9 by how much of it is reached.

    Args:
        task: whose metric counts.
        partial: whether a metric below the full one, such as an F1, gives more than 1.

    Raises:
        InputError: `partial` is neither true nor false.
    """

    name = "answer_match"

    def __init__(self, task: Task, partial: bool = False) -> None:
        if not isinstance(partial, bool):
            raise InputError(f"judge.partial: got {partial!r}; needs true or false.")
        self.task = task
        self.partial = partial
        if partial:
            self.name = "answer_match, partial"

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Parses the answer out of `output` and scores it by the task's own metric."""
        if not example.references:
            return NO_REFERENCE
        metric = self.task.score(example, self.task.parse(example, output))[self.task.metric]
        if metric >= 1.0:
            return Verdict(score=10)
        return Verdict(score=1 + int(9 * max(0.0, metric)) if self.partial else 1)
