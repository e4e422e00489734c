"""A user's own data file as a task, without code: the recipe names its columns."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from cowest import answers, metrics
from cowest.errors import InputError
from cowest.plugins import nearest
from cowest.tasks import _choices, _encodings, _labels, _option_checks
from cowest.tasks._choice_columns import answer_index, options_in
from cowest.tasks._files import UTF8, read_rows, with_hub_split
from cowest.tasks._rows import Row, UniqueIds
from cowest.tasks.base import SplitName, Task
from cowest.types import Answer, Example

METRICS = {"exact_match": metrics.exact_match, "f1": metrics.token_f1, "accuracy": metrics.accuracy}
KINDS = {"open": ("exact_match", "f1"), "choice": ("accuracy",), "label": ("accuracy",)}
"""The metrics of each kind of task, the headline first."""
MAX_LABELS = 1000
"""More labels than this are taken for free text."""


class Jsonl(Task):
    """Questions and answers from columns of .json, .jsonl, .csv, .tsv or .parquet files (each also .gz) or of the hub.

    Args:
        train, validation, test: locations of the splits: a path, `package:path` or `hub:NAME[@CONFIG][:SPLIT]`.
        question, answer: columns. The answer may be a list of accepted answers (open), or the letter, text or index
            of an option (choice). A dot reaches into an object: `answers.text`.
        kind: "open" (free text), "choice" (one of the row's options) or "label" (one of a fixed set).
        choices: the column with the list of options, or one column an option.
        index_from: what the first option's index is, 0 or 1, where answers are indices. Never guessed.
        context: a column that is put before the question: a text, or a list of passages. It may be empty in some rows.
        group: a column with what a row belongs to, such as a document or a dialogue: intervals and p-values then count
            groups and not rows. A row where it is empty stands alone.
        explanation: a column with a reference explanation, for training targets; it may be empty in some rows.
        id: a column that is unique within a file; the row's number by default.
        labels: all labels; the query then lists them, and a row whose answer is none of them is refused. Where none
            are given, the labels are those that occur in the files.
        delimiter: the character between the values of .csv and .tsv files; by default a comma and a tab.
        encoding: of text files, such as "cp1252".
        metric: the headline: "exact_match", "f1" or "accuracy"; by default exact_match for open, else accuracy.

    Raises:
        InputError: an option has a bad value, or does not go with the kind.
    """

    name = "jsonl"

    def __init__(
        self,
        *,
        train: str | None = None,
        validation: str | None = None,
        test: str | None = None,
        question: str = "question",
        answer: str = "answer",
        kind: str = "open",
        choices: str | Sequence[str] | None = None,
        index_from: int | None = None,
        context: str | None = None,
        explanation: str | None = None,
        group: str | None = None,
        id: str | None = None,
        labels: Sequence[str] | None = None,
        delimiter: str | None = None,
        encoding: str = UTF8,
        metric: str | None = None,
    ) -> None:
        if question is None or answer is None:
            raise InputError("task.question and task.answer name the columns with questions and answers. Name both.")
        names = {"question": question, "answer": answer, "context": context, "explanation": explanation}
        names |= {"group": group, "id": id}
        _option_checks.refuse_no_names(names | {"choices": choices, "labels": labels})
        locations = {"train": train, "validation": validation, "test": test}
        super().__init__(**{name: with_hub_split(locations[name], name) for name in get_args(SplitName)})
        _option_checks.one_of("kind", kind, list(KINDS))
        self.metric = _option_checks.one_of("metric", metric or KINDS[kind][0], list(METRICS))
        self.metrics = tuple(dict.fromkeys((self.metric, *KINDS[kind])))
        if (choices is None) == (kind == "choice"):
            raise InputError(
                f"task.choices names the column with a row's options and goes with kind: choice, but the kind is "
                f"{kind!r} and choices is {choices!r}. Give both or neither."
            )
        if labels is not None and (kind != "label" or not labels or isinstance(labels, str)):
            raise InputError(f"task.labels is a list of labels and goes with kind: label; given: {labels!r}, {kind!r}.")
        _option_checks.refuse_equal_labels(labels or ())
        if (
            index_from not in (None, 0, 1)
            or isinstance(index_from, bool)
            or (index_from is not None and kind != "choice")
        ):
            raise InputError(f"task.index_from is 0 or 1 and goes with kind: choice; given: {index_from!r}, {kind!r}.")
        _option_checks.refuse_bad_delimiter(delimiter, locations)
        self.delimiter, self.encoding = delimiter, _encodings.known(str(encoding or UTF8))
        self.kind, self.question, self.answer = kind, question, answer
        self.choices, self.index_from = choices, index_from
        self.context, self.explanation, self.id, self.labels = context, explanation, id, labels
        self.group = group
        # Every spelling of a label that was read, and its label.
        self._labels = {label: label for label in labels or ()}

    def read(self, location: str) -> Iterator[Example]:
        """Reads the examples of one location, in the file's order.

        Raises:
            InputError: the location is missing or a row is broken; the message names file, line and field.
        """
        identifiers = UniqueIds() if self.id else None
        may_lack_answers = self.accepts_unanswered and location == self.locations["train"]
        rows = read_rows(location, delimiter=self.delimiter, encoding=self.encoding)
        for number, row in enumerate(rows, start=1):
            # A row's number is unique as it is.
            identifier = identifiers.add(row, self.id, row.text(self.id)) if self.id and identifiers else str(number)
            fields: dict[str, Any] = {}
            options: tuple[str, ...] = ()
            references: tuple[str, ...] = ()
            is_answered = not (may_lack_answers and row.is_blank(self.answer))
            if self.choices is not None:
                options = options_in(row, self.choices)
                fields = {"options": list(options)}
                if is_answered:
                    index = answer_index(row, self.answer, options, self.index_from)
                    references, fields["answer_index"] = (_choices.letter(index, options), options[index]), index
            elif is_answered:
                references = self._references(row)
            question = row.text(self.question)
            query = self._query(row, question, options)
            if query != question:
                fields["question"] = question
            yield Example(
                id=identifier,
                query=query,
                references=references,
                explanation=row.optional_text(self.explanation) if self.explanation else None,
                fields=fields,
                group=row.optional_text(self.group) if self.group else None,
            )

    def parse(self, example: Example, text: str) -> Answer:
        """Reads a reply with the row's options or the labels in view, where there are any."""
        if self.kind == "choice":
            return answers.parse(text, _choices.ChoiceVocabulary(example.fields["options"]))
        if self.kind == "label":
            return answers.parse(text, _labels.LabelVocabulary(list(dict.fromkeys(self._labels.values()))))
        return answers.parse(text)

    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        """Scores an answer by the metrics of the task's kind; of a choice, letter and text both count."""
        if self.kind != "choice":
            return {name: METRICS[name](answer.final, example.references) for name in self.metrics}
        right = self.label_of(example, answer) == self.gold_label(example)
        return {name: float(right) for name in self.metrics}

    def gold_label(self, example: Example) -> str | None:
        """The right option's letter, or the right label; None where answers are open or the row has none."""
        if not example.references:
            return None
        if self.kind == "choice":
            return _choices.LETTERS[example.fields["answer_index"]]
        return self._labels.get(example.references[0], example.references[0]) if self.kind == "label" else None

    def label_of(self, example: Example, answer: Answer) -> str | None:
        """The letter or the label that an answer means; None where it means none."""
        if answer.final is None or self.kind == "open":
            return None
        if self.kind == "label":
            right = metrics.accuracy(answer.final, example.references)
            return self.gold_label(example) if right else self._known_label(answer.final)
        options, gold = example.fields["options"], example.fields["answer_index"]
        chosen = _choices.find(answer.final, options)
        if chosen is None:
            return None
        return _choices.LETTERS[gold if _choices.same(options[chosen], options[gold]) else chosen]

    def describe(self) -> dict[str, Any]:
        """What the task is, for the report."""
        return {**super().describe(), "kind": self.kind, "question": self.question, "answer": self.answer}

    def _query(self, row: Row, question: str, options: Sequence[str]) -> str:
        parts = list(_passages(row, self.context)) if self.context else []
        listed = f"\nLabels: {', '.join(self.labels)}" if self.labels else ""
        parts.append(f"{question}\n{_choices.render(options)}" if options else question + listed)
        return "\n\n".join(parts)

    def _references(self, row: Row) -> tuple[str, ...]:
        references = row.texts(self.answer)
        for reference in references if self.kind == "label" else ():
            if reference not in self._labels:
                self._labels[reference] = self._label(row, reference)
        return references

    def _label(self, row: Row, text: str) -> str:
        known = self._known_label(text)
        if known is not None:
            return known
        if self.labels is not None:
            hint = nearest(text, list(self.labels))
            raise row.error(self.answer, f"{text!r} is none of task.labels.{hint} Labels: {', '.join(self.labels)}.")
        if len(self._labels) >= MAX_LABELS:
            raise row.error(
                self.answer,
                f"{text[:60]!r} is one label too many: there are over {MAX_LABELS}. Is the answer free text? Then say "
                "task.kind: open.",
            )
        return text

    def _known_label(self, text: str) -> str | None:
        return next((label for label in self._labels.values() if metrics.accuracy(text, [label])), None)


def _passages(row: Row, field: str) -> tuple[str, ...]:
    value = row.value(field)
    if isinstance(value, (list, tuple)):
        return row.texts(field) if value else ()
    text = row.optional_text(field)
    return (text,) if text else ()


PLUGIN = Jsonl
