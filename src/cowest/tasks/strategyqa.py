"""StrategyQA (Geva et al., TACL 2021): yes-or-no questions whose reasoning steps must be found."""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from cowest.tasks._files import read_rows
from cowest.tasks._labelled import LabelTask, explanation_in
from cowest.tasks._rows import UniqueIds
from cowest.types import Example


class StrategyQA(LabelTask):
    """Yes or no, closed book; accuracy and macro-F1.

    `facts` are the explanation for SFT targets. Neither they nor `decomposition` are part of a query: they contain
    the reasoning.

    Args:
        train, validation, test: the publisher's files, a JSON list or one object a line. The published test split has
            no answers.
    """

    name = "strategyqa"
    labels: ClassVar[Mapping[str, Sequence[str]]] = {"yes": ("true",), "no": ("false",)}

    def read(self, location: str) -> Iterator[Example]:
        """Reads `qid`, `question`, `answer` and, where the file has them, `facts` and `term`.

        Raises:
            InputError: the location is missing or a row is broken; the message names file, line and field.
        """
        identifiers = UniqueIds()
        for row in read_rows(location):
            question = row.text("question")
            term = row.optional_text("term") if "term" in row.fields else None
            yield Example(
                id=identifiers.add(row, "qid", row.text("qid")),
                query=f"Question: {question}\n{self.instruction}",
                references=(self.label_in(row, "answer"),),
                explanation=explanation_in(row, "facts"),
                fields={"question": question, **({"term": term} if term else {})},
                group=term,
            )


PLUGIN = StrategyQA
