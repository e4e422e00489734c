"""Tasks whose answer is one of a few labels: reading labels, finding the one that an answer means, and accuracy."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from cowest import answers
from cowest.plugins import nearest
from cowest.tasks import _labels
from cowest.tasks._rows import Row
from cowest.tasks.base import Task
from cowest.types import Answer, Example


class LabelTask(Task):
    """A task with a fixed set of labels. A subclass names them and reads the rows.

    An example's first reference is its label.
    """

    metric = "accuracy"
    labels: ClassVar[Sequence[str] | Mapping[str, Sequence[str]]]
    """The labels as written in the references; a mapping gives other spellings of each."""

    @property
    def instruction(self) -> str:
        """The line of a query that lists the labels."""
        return f"Answer with one of: {', '.join(self.labels)}."

    def label_in(self, row: Row, field: str) -> str:
        """The label that a column holds; case and underscores do not count.

        Raises:
            InputError: the value is missing or is none of the labels.
        """
        text = row.text(field)
        spellings = {_plain(label): label for label in self.labels}
        if isinstance(self.labels, Mapping):
            spellings |= {_plain(other): label for label, others in self.labels.items() for other in others}
        if (label := spellings.get(_plain(text))) is None:
            raise row.error(
                field,
                f"{text!r} is no label of this task.{nearest(text, list(spellings))} Known: {', '.join(spellings)}.",
            )
        return label

    def parse(self, example: Example, text: str) -> Answer:
        """Reads a reply with the labels in view: "Yes, because ..." is an answer."""
        return answers.parse(text, _labels.LabelVocabulary(self.labels))

    def gold_label(self, example: Example) -> str:
        """The right label."""
        return example.references[0]

    def label_of(self, example: Example, answer: Answer) -> str | None:
        """The label that the final answer names; None where it names none or several."""
        return None if answer.final is None else _labels.find(answer.final, self.labels)

    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        """Scores 1.0 where the answer names the right label and no other."""
        return {"accuracy": float(self.label_of(example, answer) == self.gold_label(example))}


def explanation_in(row: Row, field: str) -> str | None:
    """The texts of a list as sentences of one explanation, each once; None where there are none.

    Empty entries are skipped: annotators need not give a reason.

    Raises:
        InputError: the value is no list of texts.
    """
    texts = row.value(field) if field in row.fields else None
    if texts is None:
        return None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise row.error(field, f"a list of texts is needed, but got {str(texts)[:60]!r}.")
    kept = [text for text in dict.fromkeys(map(str.strip, texts)) if text]
    return " ".join(text if text[-1] in ".!?" else f"{text}." for text in kept) or None


def _plain(label: str) -> str:
    return " ".join(label.replace("_", " ").casefold().split())
