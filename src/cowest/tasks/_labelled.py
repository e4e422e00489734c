"""Tasks whose answer is one of a few labels: what a text means, accuracy, and the labels for macro-F1."""

from collections.abc import Mapping, Sequence

from cowest.tasks import _labels
from cowest.tasks.base import Task
from cowest.types import Answer, Example


class LabelTask(Task):
    """A task with a fixed set of labels. A subclass says what they are and how a row is read.

    An example's first reference is its label.
    """

    metric = "accuracy"
    labels: Sequence[str] | Mapping[str, Sequence[str]]
    """The labels as they stand in the references; a mapping gives other spellings of each."""

    def gold_label(self, example: Example) -> str:
        """The right label."""
        return example.references[0]

    def label_of(self, example: Example, answer: Answer) -> str | None:
        """The label that the final answer names; None where it names none or several."""
        return None if answer.final is None else _labels.find(answer.final, self.labels)

    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        """Scores 1.0 where the answer names the right label and no other."""
        return {"accuracy": float(self.label_of(example, answer) == self.gold_label(example))}
