"""What validate finds, row by row, and what becomes of splits that overlap."""

import re
from collections.abc import Iterable
from typing import Any

import pytest

from cowest.errors import InputError
from cowest.tasks import LabelTask, Problem, Task, Validation, load_task
from cowest.types import Answer, Example

DATA: dict[str, list[Example]] = {}


def example(id: str, query: str, *references: str, explanation: str | None = None, **fields: Any) -> Example:
    return Example(id=id, query=query, references=references, explanation=explanation, fields=fields)


class Open(Task):
    """Free text from a dictionary."""

    name = "open"
    metric = "exact"

    def read(self, location: str) -> Iterable[Example]:
        return DATA[location]

    def score(self, example: Example, answer: Answer) -> dict[str, float]:
        return {"exact": float(answer.final in example.references)}


class Polarity(LabelTask):
    """Good or bad."""

    name = "polarity"
    labels = ("good", "bad")

    def read(self, location: str) -> Iterable[Example]:
        return DATA[location]


def validate(*examples: Example, task: type[Task] = Open) -> Validation:
    made = task()
    return made.validate(list(examples))


def found(validation: Validation, kind: str) -> list[tuple[str, str]]:
    return [(problem.row, problem.field) for problem in validation.problems if problem.kind == kind]


def test_clean_data_has_no_problem() -> None:
    clean = validate(example("1", "Which river runs through Ulm?", "Danube"), example("2", "And Basle?", "Rhine"))
    assert clean == Validation(num_examples=2, num_gold_full=2, problems=[])


def test_a_reference_that_cannot_be_read_back_is_no_full_gold() -> None:
    broken = validate(example("1", "Two lines?", "one\ntwo"), example("2", "Full stop?", "no."))
    assert broken.num_gold_full == 0
    assert found(broken, "gold") == [("1", "references"), ("2", "references")]
    assert "'no.' is read back as 'no'" in broken.problems[1].problem


def test_a_label_the_task_does_not_know_is_no_full_gold() -> None:
    broken = validate(example("1", "Rain?", "good"), example("2", "Hail?", "terrible"), task=Polarity)
    assert (broken.num_gold_full, found(broken, "gold")) == (1, [("2", "references")])


def test_duplicates_and_contradictions_name_the_earlier_row() -> None:
    rows = [
        example("a", "What is 2+2?", "4"),
        example("b", "what is  2+2?", "4"),
        example("c", "What is 2-2?", "0"),
        example("d", "WHAT IS 2+2?", "5"),
        example("e", "What is 2+2?", "four", "4"),
    ]
    result = validate(*rows)
    assert found(result, "duplicate") == [("b", "query"), ("e", "query")]
    assert found(result, "contradiction") == [("d", "references")]
    (contradiction,) = (each.problem for each in result.problems if each.kind == "contradiction")
    assert re.search("row a.*'5'.*'4'", contradiction)
    assert result.counts == {"duplicate": 2, "contradiction": 1}


def test_empty_fields_are_named() -> None:
    result = validate(example("1", " ", "x", "", reply="", tags=[], note=None, count=0))
    assert found(result, "empty") == [("1", "query"), ("1", "references[1]"), ("1", "reply"), ("1", "tags")]


def test_leaks_of_the_explanation_and_of_the_answer() -> None:
    explained = "The Danube runs through Ulm."
    result = validate(
        example("1", f"Which river? {explained}", "Danube", explanation=explained),
        example("2", "Who wrote the Communist Manifesto in London?", "Communist Manifesto"),
        example("3", "Long context naming Johannes Kepler. Who?", "Johannes Kepler", question="Who?"),
        example("4", "Is it 4?", "4"),
    )
    assert found(result, "leak") == [("1", "explanation"), ("2", "references[0]")]


def test_labels_in_a_question_are_no_leak() -> None:
    class LongLabels(Polarity):
        labels = ("certainly safe", "certainly unsafe")

    row = example("1", "Is it certainly safe or certainly unsafe?", "certainly safe")
    assert validate(row, task=LongLabels).problems == []


def test_many_groups_of_duplicates() -> None:
    rows = [example(str(index), f"question {index % 7}", str(index % 7)) for index in range(70)]
    result = validate(*rows)
    assert found(result, "duplicate") == [(str(index), "query") for index in range(7, 70)]
    assert all(
        problem.problem.startswith(f"asks the same as row {int(problem.row) % 7},") for problem in result.problems
    )


TRAIN = [example("t1", "shared one", "x"), example("t2", "own", "x"), example("t3", "shared two", "x")]
TEST = [example("e1", "Shared one", "x"), example("e2", "shared two", "y")]


@pytest.fixture
def locations(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setitem(DATA, "train", TRAIN)
    monkeypatch.setitem(DATA, "test", TEST)
    return {"train": "train", "test": "test"}


def test_overlapping_splits_are_refused_with_rows_and_ways_out(locations: dict[str, str]) -> None:
    task = Open(**locations)
    with pytest.raises(InputError, match=r"2 rows .*row t1 of train .* row e1 of te"):
        task.settle_overlap()
    assert [problem.row for problem in task.overlaps()] == ["t1", "t3"]
    assert re.search("'x'.*'y'", task.overlaps()[1].problem)


def test_overlap_drop_leaves_the_earlier_split_without_them_and_says_which(locations: dict[str, str]) -> None:
    task = load_task(f"{__name__}:Open", overlap="drop", **locations)
    task.settle_overlap()
    assert [each.id for each in task.train] == ["t2"]
    assert [each.id for each in task.test] == ["e1", "e2"]
    assert [(each.row, each.field, each.kind) for each in task.dropped] == [
        ("t1", "train", "overlap"),
        ("t3", "train", "overlap"),
    ]
    assert task.overlaps() == []


def test_overlap_keep_keeps_everything(locations: dict[str, str]) -> None:
    task = load_task(f"{__name__}:Open", overlap="keep", **locations)
    task.settle_overlap()
    assert len(task.train) == 3


def test_dropping_everything_is_an_error(locations: dict[str, str]) -> None:
    task = load_task(f"{__name__}:Open", overlap="drop", train="test", test="test")
    with pytest.raises(InputError, match="leaves none"):
        task.settle_overlap()


def test_overlap_takes_three_words(locations: dict[str, str]) -> None:
    with pytest.raises(InputError, match="Allowed: refuse, drop, keep"):
        load_task(f"{__name__}:Open", overlap="ignore", **locations)  # type: ignore[arg-type]


def test_a_label_task_gives_labels() -> None:
    task, row = Polarity(), example("1", "Rain?", "good")
    assert task.gold_label(row) == "good"
    assert task.label_of(row, Answer(final="Good")) == "good"
    assert task.label_of(row, Answer(final="neither")) is None
    assert task.label_of(row, Answer(final=None)) is None
    assert task.score(row, Answer(final="bad")) == {"accuracy": 0.0}


def test_a_problem_has_row_field_and_words() -> None:
    assert Problem(row="1", field="query", problem="is empty", kind="empty").model_dump()["problem"] == "is empty"
