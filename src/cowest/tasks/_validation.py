"""Checks of a task's data that need no model: each problem with its row, field and kind."""

import hashlib
import unicodedata
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, Protocol

from pydantic import BaseModel

from cowest.errors import InputError
from cowest.types import Answer, Example

ProblemKind = Literal["gold", "duplicate", "contradiction", "empty", "leak", "overlap", "flaw", "unanswered"]

MIN_LEAK = 12
"""Characters. Shorter texts occur in a question by chance."""


class Problem(BaseModel):
    """One thing that is wrong with the data.

    Attributes:
        row: id of the example.
        kind: "gold" (its own reference does not score full marks), "duplicate" and "contradiction" (an earlier row asks
            the same, with the same or with another answer), "empty", "leak" (the query contains the answer),
            "overlap" (another split asks the same), "unanswered" (there is no reference, which the train split may have
            for feedback without one) or "flaw" (a problem that only the task itself can recognise).
    """

    row: str
    field: str
    problem: str
    kind: ProblemKind = "gold"


class Validation(BaseModel):
    """What `Task.validate` found.

    Attributes:
        num_gold_full: examples whose own reference scores full marks, without any model.
    """

    num_examples: int
    num_gold_full: int
    problems: list[Problem]

    @property
    def counts(self) -> dict[str, int]:
        """Number of problems by kind."""
        return dict(Counter(problem.kind for problem in self.problems))


class Checkable(Protocol):
    """What the checks need of a task."""

    metric: str

    def parse(self, example: Example, text: str) -> Answer: ...
    def score(self, example: Example, answer: Answer) -> dict[str, float]: ...
    def reference_answer(self, example: Example) -> Answer: ...
    def gold_label(self, example: Example) -> str | None: ...
    def identity(self, example: Example) -> str: ...
    def question_of(self, example: Example) -> str: ...


def validate(task: Checkable, examples: Sequence[Example]) -> Validation:
    """Checks each example alone, then the examples against each other; the problems are in that order."""
    gold: list[Problem] = []
    others: list[Problem] = []
    unanswered: list[Problem] = []
    for example in examples:
        if example.references:
            gold += _gold(task, example)
        else:
            unanswered.append(Problem(row=example.id, field="references", problem="has no answer", kind="unanswered"))
        others += [*_empty(example), *_leaks(task, example)]
    problems = [*gold, *unanswered, *others, *_repeated(task, examples)]
    num_full = len(examples) - len(gold) - len(unanswered)
    return Validation(num_examples=len(examples), num_gold_full=num_full, problems=problems)


def answered(examples: Iterable[Example], location: str) -> Iterator[Example]:
    """The examples of a location that must all have an answer.

    Raises:
        InputError: one has none; the message names it.
    """
    for example in examples:
        if not example.references:
            raise InputError(
                f"{location!r}: example {example.id!r} has no answer. Fill it in, or take the row out of the file. "
                "Only train may have such rows, and only where the judge needs no reference: judge: {reference: none}."
            )
        yield example


def _digests(task: Checkable, examples: Iterable[Example]) -> "array[int]":
    """A 64-bit hash of each example's identity."""
    return array("Q", (digest(task.identity(example)) for example in examples))


def _membership(task: Checkable, examples: Iterable[Example]) -> Callable[[Example], bool]:
    """A test whether an example asks the same as one of `examples`; holds 8 bytes for each of these."""
    import numpy as np

    known = np.unique(np.frombuffer(_digests(task, examples), dtype=np.uint64))

    def is_member(example: Example) -> bool:
        wanted = np.uint64(digest(task.identity(example)))
        index = int(np.searchsorted(known, wanted))
        return index < len(known) and bool(known[index] == wanted)

    return is_member


def overlap(
    task: Checkable, split: str, examples: Sequence[Example], other: str, others: Sequence[Example]
) -> list[Problem]:
    """The examples of `split` that ask the same as an example of `other`; each names the first such row of `other`."""
    is_in_others = _membership(task, others)
    found = [example for example in examples if is_in_others(example)]
    if not found:
        return []
    wanted = {digest(task.identity(example)) for example in found}
    first: dict[int, Example] = {}
    for example in others:
        found_digest = digest(task.identity(example))
        if found_digest in wanted:
            first.setdefault(found_digest, example)
    problems = []
    for example in found:
        twin = first[digest(task.identity(example))]
        what = f"asks the same as row {twin.id} of {other}"
        if _contradict(task, example, twin):
            what += f", but answers {example.references[0]!r} where that answers {twin.references[0]!r}"
        problems.append(Problem(row=example.id, field=split, problem=what, kind="overlap"))
    return problems


def _gold(task: Checkable, example: Example) -> Iterator[Problem]:
    gold = task.reference_answer(example)
    if task.score(example, gold)[task.metric] < 1.0:
        problem = f"the reference {gold.final!r} itself does not score full marks"
        yield Problem(row=example.id, field="references", problem=problem)
        return
    written = task.parse(example, f"Explanation: {gold.explanation}\nAnswer: {gold.final}")
    if task.score(example, written)[task.metric] < 1.0:
        problem = f"written as a model writes it, the reference {gold.final!r} is read back as {written.final!r}"
        yield Problem(row=example.id, field="references", problem=problem)


def _empty(example: Example) -> Iterator[Problem]:
    texts = {"query": example.query, **{f"references[{i}]": text for i, text in enumerate(example.references)}}
    empty = [field for field, text in texts.items() if not text.strip()]
    for field, value in example.fields.items():
        empty += [field] if value in ("", []) else []
        empty += [f"{field}[{i}]" for i, entry in enumerate(value) if entry == ""] if isinstance(value, list) else []
    for field in empty:
        yield Problem(row=example.id, field=field, problem="is empty", kind="empty")


def _leaks(task: Checkable, example: Example) -> Iterator[Problem]:
    explanation = _normal(example.explanation or "")
    is_option = explanation in map(_normal, example.references)
    if len(explanation) >= MIN_LEAK and not is_option and explanation in _normal(example.query):
        problem = "the explanation stands in the query"
        yield Problem(row=example.id, field="explanation", problem=problem, kind="leak")
    if task.gold_label(example) is not None:
        return  # a question may name labels and options
    question = f" {words(task.question_of(example))} "
    for index, reference in enumerate(example.references):
        answer = words(reference)
        if len(answer) >= MIN_LEAK and f" {answer} " in question:
            problem = f"the answer {reference!r} stands in the question"
            yield Problem(row=example.id, field=f"references[{index}]", problem=problem, kind="leak")
            return


def _repeated(task: Checkable, examples: Sequence[Example]) -> Iterator[Problem]:
    import numpy as np

    found = np.frombuffer(_digests(task, examples), dtype=np.uint64)
    order = np.argsort(found, kind="stable")
    ranked = found[order]
    earlier: dict[int, int] = {}
    start = 0
    for position in np.flatnonzero(ranked[1:] == ranked[:-1]) + 1:
        if ranked[start] != ranked[position]:
            start = int(np.searchsorted(ranked, ranked[position]))
        earlier[int(order[position])] = int(order[start])
    for index in sorted(earlier):
        example, twin = examples[index], examples[earlier[index]]
        if _contradict(task, example, twin):
            problem = f"asks the same as row {twin.id}, but answers {example.references[0]!r} where that answers "
            yield Problem(
                row=example.id, field="references", problem=problem + repr(twin.references[0]), kind="contradiction"
            )
        else:
            both = example.references and twin.references
            problem = (
                f"asks the same as row {twin.id}, {'with the same answer' if both else 'one of them without an answer'}"
            )
            yield Problem(row=example.id, field="query", problem=problem, kind="duplicate")


def _contradict(task: Checkable, a: Example, b: Example) -> bool:
    """Whether no reference of `a` is right for `b`: "The Netherlands" does not contradict "Netherlands".

    A row without a reference contradicts none.
    """
    if not (a.references and b.references):
        return False
    return all(task.score(b, Answer(final=reference))[task.metric] < 1.0 for reference in a.references)


def digest(text: str) -> int:
    """64 bits of the hash of a text, whatever its case and spaces."""
    return int.from_bytes(hashlib.blake2b(_normal(text).encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _normal(text: str) -> str:
    # Punctuation stays: 2+2 and 2-2 are two questions.
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words(text: str) -> str:
    """The words of a text in lower case, separated by single spaces; punctuation is dropped."""
    return " ".join("".join(char if char.isalnum() else " " for char in _normal(text)).split())
