"""The handbook's task: an answer is a product, a hall, a line, a number, or yes or no, however it is worded."""

import re
from collections.abc import Iterator

from cowest import answers
from cowest.tasks import LabelVocabulary, Task, read_rows
from cowest.types import Answer, Example

_YES_OR_NO = ["yes", "no"]
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


class Handbook(Task):
    """Questions about the handbook's shop: rows of the files that `python -m cowest.handbook` writes.

    Args:
        train, validation, test: locations of the splits.
    """

    name = "handbook"
    metric = "accuracy"

    def read(self, location: str) -> Iterator[Example]:
        """Reads the rows of a file.

        Raises:
            InputError: the file is missing, or a row is broken; the message names file, line and field.
        """
        for row in read_rows(location):
            options = {} if row.is_blank("options") else {"options": list(row.texts("options"))}
            yield Example(
                id=row.text("id"),
                query=row.text("question"),
                references=(row.text("answer"),),
                explanation=None if row.is_blank("explanation") else row.text("explanation"),
                fields={"kind": row.text("kind"), "facts": row.text("facts"), **options},
                group=row.text("product"),
            )

    def parse(self, example: Example, text: str) -> Answer:
        """The explanation and the answer in a reply; without a marked answer, what the reply ends with."""
        vocabulary = LabelVocabulary(_YES_OR_NO) if example.fields.get("options") == _YES_OR_NO else None
        answer = answers.parse(text, vocabulary)
        if answer.final is not None and _meant(example, answer.final) is not None:
            return answer
        # Of a comparison the whole reply counts, since its last sentence may only repeat a fact.
        ending = text if "options" in example.fields else _SENTENCE_END.split(text.strip())[-1]
        if vocabulary is None and _meant(example, ending) is not None:
            return Answer(explanation=text.strip(), final=ending.strip())
        return answer.model_copy(update={"final": None})

    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        """Scores 1.0 where the answer means what the reference means: "19" is right where that is "19 euros"."""
        meant = None if answer.final is None else _meant(example, answer.final)
        return {"accuracy": float(meant is not None and meant == _meant(example, example.references[0]))}

    def oracle_draft(self, example: Example) -> str:
        """The facts that are needed, and no result: what is left is the strong model's own step."""
        return str(example.fields["facts"])


def _meant(example: Example, written: str) -> str | None:
    """The option or the number that an answer means; None where it names none, or several."""
    options = example.fields.get("options")
    if options == _YES_OR_NO:
        return LabelVocabulary(_YES_OR_NO).means(written)
    if options:
        return _named(options, written)
    # As usual for sums in words ("24 and 31 euros make 55 euros"): the last number is the result.
    numbers = _NUMBER.findall(written)
    return numbers[-1].replace(",", "").removesuffix(".00") if numbers else None


def _named(options: list[str], written: str) -> str | None:
    """The only option whose first word, which is its name, occurs; the first in "the Velmar is cheaper than ..."."""
    found = {}
    for option in options:
        if match := re.search(rf"\b{re.escape(option.split()[0])}\b", written, re.IGNORECASE):
            found[match.start()] = option
    if len(found) > 1 and not re.search(r"\bthan\b", written, re.IGNORECASE):
        return None
    return found[min(found)] if found else None
