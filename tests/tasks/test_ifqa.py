from pathlib import Path
from typing import Any

import pytest

from cowest.errors import InputError
from cowest.tasks import load_task
from cowest.types import Answer
from tests.tasks.invented import IFQA
from tests.tasks.rows import read_rows_as


def test_passages_stand_before_the_question(tmp_path: Path) -> None:
    first, second = read_rows_as("ifqa", tmp_path, *IFQA)
    assert first.query == (
        "Passages:\n\nThe Brindle Bridge is made of stone.\n\nIts architect first drew it in oak.\n\n"
        "Question: If the Brindle Bridge had been built of oak, what would it have been made of?\n"
        "Answer in as few words as possible."
    )
    assert (first.id, first.references, first.explanation) == ("0", ("oak", "Oak wood"), None)
    assert (second.id, second.references) == ("1", ("Ada Quill",))


def test_closed_book_needs_no_passages(tmp_path: Path) -> None:
    row = {key: value for key, value in IFQA[1].items() if key != "context"}
    (example,) = read_rows_as("ifqa", tmp_path, row, passages=False)
    assert example.query == f"Question: {row['question']}\nAnswer in as few words as possible."
    with pytest.raises(InputError, match=r"line 1, field 'context': the row has no such field"):
        read_rows_as("ifqa", tmp_path, row)


def test_scores_in_both_ways(tmp_path: Path) -> None:
    task = load_task("ifqa")
    (example,) = read_rows_as("ifqa", tmp_path, IFQA[1] | {"answers": ["The Marl Society", "Marl Society"]})
    assert task.score(example, Answer(final="the Marl society.")) == {
        "exact_match": 1.0,
        "f1": 1.0,
        "exact_match_lower": 0.0,
        # "the Marl society." shares "Marl" alone: 2*1/(3+2) with "Marl Society", 2*1/(3+3) with the other.
        "f1_cased": pytest.approx(2 / 5),
    }
    assert task.score(example, Answer(final="marl society"))["exact_match_lower"] == 1.0
    assert set(task.score(example, Answer(final=None)).values()) == {0.0}


def test_the_same_question_over_other_passages_is_a_repetition(tmp_path: Path) -> None:
    task = load_task("ifqa")
    again = IFQA[0] | {"idx": 2, "question": IFQA[0]["question"].upper().replace(",", " "), "context": ["Another."]}  # type: ignore[attr-defined]
    examples = read_rows_as("ifqa", tmp_path, IFQA[0], again, IFQA[0] | {"idx": 3, "answers": ["The oak"]})
    assert task.validate(examples).counts == {"duplicate": 2}
    other = read_rows_as("ifqa", tmp_path, IFQA[0], again | {"answers": ["stone"]})
    assert task.validate(other).counts == {"contradiction": 1}


def test_an_answer_that_stands_in_the_question_is_named(tmp_path: Path) -> None:
    row = IFQA[1] | {"answers": ["the Marl Society"]}
    (problem,) = load_task("ifqa").validate(read_rows_as("ifqa", tmp_path, row)).problems
    assert (problem.kind, problem.field, problem.row) == ("leak", "references[0]", "1")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"answers": []}, "field 'answers'"),
        ({"answers": ["oak", ""]}, "field 'answers'"),
        ({"question": " "}, "field 'question'"),
        ({"context": []}, "field 'context'"),
        ({"idx": None}, "field 'idx'"),
        ({"idx": 0}, "line 2, field 'idx': the id '0' is already that of line 1"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read_rows_as("ifqa", tmp_path, IFQA[0], IFQA[1] | change)


def test_passages_is_yes_or_no() -> None:
    with pytest.raises(InputError, match=r"task\.passages is 'gold'"):
        load_task("ifqa", passages="gold")
