"""The handbook's judge: the paper's scale of 1, 3, 6 and 10 (Figure 7), computed by a program."""

from cowest.errors import InputError
from cowest.prompts.declared import uses
from cowest.tasks import Task
from cowest.types import Example, Verdict


@uses()
class FactsJudge:
    """Scores an output by its answer and by the facts that it states, so that a draft without an answer has a score.

    10: the answer is right and every fact that it needs is stated; 6: the answer is right; 3: every fact that is needed
    is stated; 1: else. For `feedback.kind: individual`, which grades drafts that hold no answer.
    """

    name = "handbook facts"

    def __init__(self, task: Task) -> None:
        self.task = task

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Scores `output`; every output gets a score."""
        is_right = self.task.score(example, self.task.parse(example, output))[self.task.metric] >= 1.0
        if states_needed_facts(example, output):
            return Verdict(score=10 if is_right else 3)
        return Verdict(score=6 if is_right else 1)


def states_needed_facts(example: Example, text: str) -> bool:
    """Says whether a text states every fact that the question needs, in the words of the training rows.

    Raises:
        InputError: the example has no facts, since it is of another task.
    """
    if not example.fields.get("facts"):
        raise InputError(
            f"The judge of the handbook reads the field 'facts' of an example, and {example.id!r} has "
            f"{', '.join(map(repr, example.fields)) or 'no fields'}. Use it with cowest.handbook.task:Handbook."
        )
    return all(fact.rstrip(".") in text for fact in example.fields["facts"].split(". "))
