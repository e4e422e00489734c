"""TAT-QA (Zhu et al., ACL 2021): questions over a financial table and its text, answers with a scale."""

import math
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, get_args

from cowest.plugins import nearest
from cowest.tasks import _tatqa_score
from cowest.tasks._files import read_rows, with_hub_split
from cowest.tasks._rows import Row, UniqueIds
from cowest.tasks._validation import Problem, Validation
from cowest.tasks.base import SplitName, Task
from cowest.types import Answer, Example

ANSWER_TYPES = ("span", "multi-span", "arithmetic", "count")

# The same for every row: a line that depended on the row's answer type would reveal it.
ANSWER_FORM = (
    'The answer is a number with its scale, rounded to two decimals ("12.5 million", "-3.41 thousand", "34.2%", '
    '"2019"), or words as they stand in the table or text. Several answers are separated by "; ", each with its scale.'
)

_MIN_ECHO = 20


class TatQa(Task):
    """Table and text, answered by spans, sums or counts; scored by the data set's own exact match and F1.

    Args:
        train, validation, test: the publisher's files: contexts with a table, paragraphs and questions, as one JSON
            list or one context a line. Every question becomes an example; its id is the question's `uid`, and the
            questions over one table are a group.
    """

    name = "tatqa"
    metric = "exact_match"

    def __init__(self, *, train: str | None = None, validation: str | None = None, test: str | None = None) -> None:
        locations = {"train": train, "validation": validation, "test": test}
        super().__init__(**{name: with_hub_split(locations[name], name) for name in get_args(SplitName)})

    def read(self, location: str) -> Iterator[Example]:
        """Reads the questions of every context, in the file's order.

        Raises:
            InputError: the location is missing or a row is broken; the message names file, line and field.
        """
        identifiers = UniqueIds()
        for number, row in enumerate(read_rows(location), start=1):
            context = "\n\n".join([_table(row), *_paragraphs(row)])
            table = row.value("table")
            group = row.text("table.uid") if isinstance(table, dict) and "uid" in table else f"table {number}"
            for question in _entries(row, "questions"):
                answers, scale = _answers(question), _one_of(question, "scale", list(_tatqa_score.SCALES))
                yield Example(
                    id=identifiers.add(question, "uid", question.text("uid")),
                    query=f"{context}\n\nQuestion: {question.text('question')}\n{ANSWER_FORM}",
                    references=(_tatqa_score.write(answers, scale),),
                    explanation=_explanation(question.optional_text("derivation")),
                    fields={
                        "question": question.text("question"),
                        "answer": answers,
                        "scale": scale or None,
                        "answer_type": _one_of(question, "answer_type", ANSWER_TYPES),
                        "answer_from": question.optional_text("answer_from"),
                    },
                    group=group,
                )

    def parse(self, example: Example, text: str) -> Answer:
        """Reads a reply; the query's own line on the form of an answer, repeated, is none."""
        answer = super().parse(example, text)
        is_echo = answer.final is not None and len(answer.final) > _MIN_ECHO and answer.final in ANSWER_FORM
        return answer.model_copy(update={"final": None}) if is_echo else answer

    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        """Scores an answer by the data set's exact match and F1; no answer scores 0."""
        gold = example.fields
        exact_match, f1 = _tatqa_score.score(
            answer.final or "", gold["answer"], gold["scale"] or "", gold["answer_type"]
        )
        return {"exact_match": exact_match, "f1": f1}

    def validate(self, split: Sequence[Example]) -> Validation:
        """Checks the split as every task does, and reports gold answers that contradict themselves."""
        validation = super().validate(split)
        flaws = [
            Problem(row=example.id, field="answer", problem=flaw, kind="flaw")
            for example in split
            for flaw in _flaws(example.fields)
        ]
        return validation.model_copy(update={"problems": [*validation.problems, *flaws]})


def _table(row: Row) -> str:
    """The table in Markdown: rows in order, cells on one line, short rows padded with empty cells."""
    rows = row.value("table.table")
    if not isinstance(rows, list) or not rows or not all(isinstance(cells, list) for cells in rows):
        raise row.error("table.table", f"a list of rows of cells is needed, but got {str(rows)[:60]!r}.")
    width = max(1, *(len(cells) for cells in rows))
    lines = [[*(_cell(row, cell) for cell in cells), *[""] * (width - len(cells))] for cells in rows]
    lines.insert(1, ["---"] * width)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(row: Row, value: Any) -> str:
    text = Row(row.location, row.position, {"table.table": value}).optional_text("table.table") or ""
    return " ".join(text.split()).replace("|", r"\|")


def _paragraphs(row: Row) -> list[str]:
    paragraphs = []
    for paragraph in _entries(row, "paragraphs"):
        order = paragraph.value("order")
        if isinstance(order, bool) or not isinstance(order, int):
            raise paragraph.error("order", f"a whole number is needed, but got {order!r}.")
        paragraphs.append((order, paragraph.text("text")))
    return [text for _, text in sorted(paragraphs, key=lambda paragraph: paragraph[0])]


def _entries(row: Row, field: str) -> list[Row]:
    """The objects of a list as rows of their own, so that an error names the right one."""
    value = row.value(field)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise row.error(field, f"a list of objects is needed, but got {str(value)[:60]!r}.")
    return [Row(row.location, f"{row.position}, {field}[{number}]", entry) for number, entry in enumerate(value)]


def _one_of(question: Row, field: str, allowed: Sequence[str]) -> str:
    value = question.value(field)
    if not isinstance(value, str) or value not in allowed:
        hint = nearest(str(value), [each for each in allowed if each])
        raise question.error(field, f"{value!r} is none of {', '.join(map(repr, allowed))}.{hint}")
    return value


def _answers(question: Row) -> list[str]:
    """The gold answers as texts. Empty entries beside others stay, as the published scorer is given them."""
    if "answer" not in question.fields:
        raise question.error("answer", "there is no gold answer. Take the publisher's test_gold file, not its test.")
    value = question.value("answer")
    answers = [_answer(question, entry) for entry in (value if isinstance(value, list) else [value])]
    if not any(answers):
        raise question.error("answer", f"{value!r} holds no gold answer. Fill it in, or take the question out.")
    return answers


def _answer(question: Row, value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value):
        # str gives 1e-05, which is no way to write an amount.
        return f"{Decimal(repr(value)):f}"
    if isinstance(value, bool) or not isinstance(value, str | int):
        problem = f"a text, a number or a list of these is needed, but it holds {value!r}. Correct it."
        raise question.error("answer", problem)
    return Row(question.location, question.position, {"answer": value}).optional_text("answer") or ""


def _explanation(derivation: str | None) -> str | None:
    """The derivation, its parts ("##" in the files) as a list; None where it has no letter or digit, only a dash."""
    return re.sub(r"\s*##\s*", "; ", derivation) if derivation and any(map(str.isalnum, derivation)) else None


def _flaws(fields: dict[str, Any]) -> Iterator[str]:
    answers, scale = fields["answer"], fields["scale"] or ""
    if "" in answers:
        yield "the list of gold answers holds an empty one, which is left out of the reference"
    for answer in answers:
        own = _tatqa_score.own_scale(answer)
        if scale and own and (own, scale) != ("percent", "percent"):
            yield f"the gold answer {answer!r} has a scale of its own beside the scale {scale!r}; both readings count"


PLUGIN = TatQa
