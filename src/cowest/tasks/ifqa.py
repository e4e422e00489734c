"""IfQA (Yu et al., EMNLP 2023): open questions with a counterfactual premise."""

from collections.abc import Iterator

from cowest import metrics
from cowest.errors import InputError
from cowest.tasks._files import read_rows
from cowest.tasks._rows import UniqueIds
from cowest.tasks._validation import words
from cowest.tasks.base import Task
from cowest.types import Answer, Example


class IfQA(Task):
    """Questions with an "if", answered in a few words; exact match and token F1, the best over the accepted answers.

    Args:
        train, validation, test: the publisher's files, a JSON list or one object a line.
        passages: whether the query holds the gold passages, as in the paper's Figure 6; False asks closed book.
    """

    name = "ifqa"
    metric = "exact_match"

    def __init__(
        self,
        *,
        train: str | None = None,
        validation: str | None = None,
        test: str | None = None,
        passages: bool = True,
    ) -> None:
        super().__init__(train=train, validation=validation, test=test)
        if not isinstance(passages, bool):
            raise InputError(f"task.passages is {passages!r}. It must be true (with the passages) or false (without).")
        self.passages = passages

    def read(self, location: str) -> Iterator[Example]:
        """Reads `idx`, `question`, `answers` and, where it is shown, `context`.

        Raises:
            InputError: the location is missing or a row is broken; the message names file, line and field.
        """
        identifiers = UniqueIds()
        for row in read_rows(location):
            question = row.text("question")
            passages = "\n\n".join(["Passages:", *row.texts("context")]) + "\n\n" if self.passages else ""
            yield Example(
                id=identifiers.add(row, "idx", row.text("idx")),
                query=f"{passages}Question: {question}\nAnswer in as few words as possible.",
                references=tuple(dict.fromkeys(row.texts("answers"))),
                fields={"question": question},
            )

    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        """SQuAD's exact match and token F1, and the plainer variants that the paper probably used."""
        final, references = answer.final, example.references
        return {
            "exact_match": metrics.exact_match(final, references),
            "f1": metrics.token_f1(final, references),
            "exact_match_lower": metrics.exact_match_lower(final, references),
            "f1_cased": metrics.token_f1_cased(final, references),
        }

    def identity(self, example: Example) -> str:
        """The question: several annotators wrote the same one over different passages."""
        return words(self.question_of(example))


PLUGIN = IfQA
