"""MedMCQA (Pal et al., CHIL 2022): entrance-exam questions of medicine with four options."""

from collections.abc import Iterator, Sequence

from cowest import answers
from cowest.errors import InputError
from cowest.tasks import _choices
from cowest.tasks._files import read_rows
from cowest.tasks._rows import Row, UniqueIds
from cowest.tasks._validation import words
from cowest.tasks.base import Task
from cowest.types import Answer, Example

OPTIONS = ("opa", "opb", "opc", "opd")
FILTERS = ("subject_name", "topic_name", "choice_type")


class MedMCQA(Task):
    """Four options, one right; accuracy, and macro-F1 over the letters.

    `exp` is the explanation for SFT targets and never part of a query: it often begins with the answer. Rows of
    the choice type "multi" have one right option too.

    Args:
        train, validation, test: the publisher's files, one object a line. The published test split has no answers.
        index_from: the `cop` of the first option: 1 in the publisher's files, 0 in the copy on the hub.
    """

    name = "medmcqa"
    metric = "accuracy"

    def __init__(
        self,
        *,
        train: str | None = None,
        validation: str | None = None,
        test: str | None = None,
        index_from: int = 1,
    ) -> None:
        super().__init__(train=train, validation=validation, test=test)
        if index_from not in (0, 1) or isinstance(index_from, bool):
            raise InputError(
                f"task.index_from is {index_from!r}. It must be 1 (published files) or 0 (the hub's copy)."
            )
        self.index_from = index_from

    def read(self, location: str) -> Iterator[Example]:
        """Reads question, options and `cop`; where the file has them, also `id`, `exp` and what reports filter by.

        Raises:
            InputError: the location is missing or a row is broken; the message names file, line and field.
        """
        identifiers = UniqueIds()
        for number, row in enumerate(read_rows(location), start=1):
            question = _readable(row.text("question"))
            # A line break inside an option would break the list of options.
            options = [" ".join((row.optional_text(field) or "").split()) for field in OPTIONS]
            gold = self._gold(row)
            query = f"Question: {question}\n{_choices.render(options)}\nAnswer with the letter of the right option."
            yield Example(
                id=identifiers.add(row, "id", row.text("id")) if "id" in row.fields else str(number),
                query=query,
                references=tuple(text for text in (_choices.letter(gold, options), options[gold]) if text),
                explanation=row.optional_text("exp") if "exp" in row.fields else None,
                fields={
                    "question": question,
                    "options": options,
                    "answer_index": gold,
                    **{field: text for field in FILTERS if field in row.fields and (text := row.optional_text(field))},
                },
            )

    def parse(self, example: Example, text: str) -> Answer:
        """Reads a reply with the options in view: "C) ..." is an answer, and so is an option's text."""
        return answers.parse(text, _choices.ChoiceVocabulary(example.fields["options"]))

    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        """Scores 1.0 for the right option, by its letter, its text or both."""
        return {"accuracy": float(self.label_of(example, answer) == self.gold_label(example))}

    def gold_label(self, example: Example) -> str:
        """The letter of the right option."""
        return _choices.LETTERS[example.fields["answer_index"]]

    def label_of(self, example: Example, answer: Answer) -> str | None:
        """The letter that an answer means, that of the right option where another has the same text; None for none."""
        options: Sequence[str] = example.fields["options"]
        chosen = None if answer.final is None else _choices.find(answer.final, options)
        if chosen is None:
            return None
        gold: int = example.fields["answer_index"]
        return _choices.LETTERS[gold if _choices.same(options[chosen], options[gold]) else chosen]

    def identity(self, example: Example) -> str:
        """Question and options, whatever the options' order: many questions only say "which is true"."""
        return "\n".join([words(self.question_of(example)), *sorted(example.fields["options"], key=str.casefold)])

    def _gold(self, row: Row) -> int:
        value = row.value("cop")
        last = self.index_from + len(OPTIONS) - 1
        text = str(value).removesuffix(".0")
        if text in map(str, range(self.index_from, last + 1)):
            return int(text) - self.index_from
        hint = "The published test split has no answers: evaluate on the dev split." if value in (None, -1) else ""
        hint = hint or "The publisher's files count from 1, the hub's copy from 0: see task.index_from."
        raise row.error("cop", f"{value!r} is no option from {self.index_from} to {last}. {hint}")


def _readable(question: str) -> str:
    """One space for tabs and runs of spaces; line breaks stay, since some separate statements."""
    return "\n".join(line for line in (" ".join(line.split()) for line in question.split("\n")) if line)


PLUGIN = MedMCQA
