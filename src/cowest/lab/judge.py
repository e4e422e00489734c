"""The lab's judge: the paper's scale of 1, 3, 6 and 10 (Figure 7), computed by a program."""

from __future__ import annotations

from cowest.lab.facts import names_drug, stated_facts
from cowest.prompts.declared import uses
from cowest.tasks import Task
from cowest.types import Example, Verdict


@uses()
class RubricJudge:
    """Scores an output by its answer and by the facts that its explanation states, in either notation.

    10: the answer is right and the explanation states the right fact and no false one; 6: the answer is right;
    3: the answer is wrong but the right fact is stated and no false one; 1: else.
    """

    name = "rubric"

    def __init__(self, task: Task) -> None:
        self.task = task

    async def score(self, example: Example, output: str, sample_index: int = 0) -> Verdict:
        """Scores `output`; every output gets a score."""
        answer = self.task.parse(example, output)
        is_right = self.task.score(example, answer)[self.task.metric] >= 1.0
        is_grounded = states_right_fact(example, answer.explanation or output)
        if is_right:
            return Verdict(score=10 if is_grounded else 6)
        return Verdict(score=3 if is_grounded else 1)


def states_right_fact(example: Example, explanation: str) -> bool:
    """Says whether an explanation states the fact that the query needs, of the right drug, and no false one."""
    facts = stated_facts(explanation)
    right_rate, right_class = int(example.fields["rate"]), example.fields["class"]
    if set(facts.rates) - {right_rate} or set(facts.classes) - {right_class}:
        return False
    needed = facts.classes if example.fields["kind"] == "class" else facts.rates
    return bool(needed) and names_drug(explanation, example.fields["drug"])
