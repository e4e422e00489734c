from pathlib import Path
from typing import Any

import pytest

from cowest import classification
from cowest.errors import InputError
from cowest.tasks import load_task
from cowest.types import Answer
from tests.tasks.invented import MEDMCQA
from tests.tasks.rows import read_rows_as


def test_query_options_and_explanation(tmp_path: Path) -> None:
    first, second = read_rows_as("medmcqa", tmp_path, *MEDMCQA)
    assert first.query == (
        "Question: Which of these is a blood group?\n(one only)\n(A) Q\n(B) AB\n(C) Seven\n(D) Blue blood\n"
        "Answer with the letter of the right option."
    )
    assert (first.id, first.references) == ("0b1c-1", ("B", "AB"))
    assert first.explanation == "Ans. is 'b'\nAB is a blood group."
    assert first.fields["subject_name"] == "Pathology"
    assert first.fields["choice_type"] == "multi"
    assert "topic_name" not in first.fields
    assert (second.explanation, second.fields["topic_name"]) == (None, "Reflexes")


@pytest.mark.parametrize("final", ["B", "(b)", "b.", "AB", "B) AB", "(B) ab"])
def test_letter_and_text_are_right(tmp_path: Path, final: str) -> None:
    task = load_task("medmcqa")
    (example,) = read_rows_as("medmcqa", tmp_path, MEDMCQA[0])
    assert task.score(example, Answer(final=final)) == {"accuracy": 1.0}
    assert task.label_of(example, Answer(final=final)) == task.gold_label(example) == "B"


@pytest.mark.parametrize(("final", "label"), [("A", "A"), ("Seven", "C"), ("E", None), ("none of them", None)])
def test_other_answers_are_wrong_and_the_unparsable_are_a_bucket(tmp_path: Path, final: str, label: str | None) -> None:
    task = load_task("medmcqa")
    (example,) = read_rows_as("medmcqa", tmp_path, MEDMCQA[0])
    assert task.score(example, Answer(final=final)) == {"accuracy": 0.0}
    assert task.label_of(example, Answer(final=final)) == label
    assert task.label_of(example, Answer(final=None)) is None
    table = classification.confusion(["B"], [label])
    assert table == {"B": {label or classification.UNPARSED: 1}}


def test_of_two_options_with_one_text_either_is_right(tmp_path: Path) -> None:
    task = load_task("medmcqa")
    for cop in (3, 4):
        (example,) = read_rows_as("medmcqa", tmp_path, MEDMCQA[1] | {"cop": cop})
        for final in ("C", "D", "Deep coma"):
            assert task.label_of(example, Answer(final=final)) == task.gold_label(example) == "ABCD"[cop - 1]
        assert task.score(example, Answer(final="A")) == {"accuracy": 0.0}


def test_rows_without_id_and_the_rest_are_numbered(tmp_path: Path) -> None:
    rows = [{key: row[key] for key in ("question", "cop", "opa", "opb", "opc", "opd")} for row in MEDMCQA]
    examples = read_rows_as("medmcqa", tmp_path, *rows)
    assert [(example.id, example.explanation) for example in examples] == [("1", None), ("2", None)]


def test_an_option_may_be_empty_and_is_named(tmp_path: Path) -> None:
    examples = read_rows_as("medmcqa", tmp_path, MEDMCQA[0] | {"opd": ""})
    found = load_task("medmcqa").validate(examples)
    assert [(problem.field, problem.kind) for problem in found.problems] == [("options[3]", "empty")]
    assert found.num_gold_full == 1


@pytest.mark.parametrize("cop", [0, 5, -1, None, "B", True, 1.5])
def test_a_cop_that_is_no_option_is_refused(tmp_path: Path, cop: Any) -> None:
    with pytest.raises(InputError, match=r"rows\.jsonl', line 2, field 'cop': .* is no option from 1 to 4"):
        read_rows_as("medmcqa", tmp_path, MEDMCQA[0], MEDMCQA[1] | {"cop": cop})


@pytest.mark.parametrize(
    ("cop", "index_from", "letter"), [(1, 1, "A"), (4, 1, "D"), ("3", 1, "C"), (2.0, 1, "B"), (0, 0, "A"), (3, 0, "D")]
)
def test_cop_counts_from_one_or_as_said(tmp_path: Path, cop: Any, index_from: int, letter: str) -> None:
    (example,) = read_rows_as("medmcqa", tmp_path, MEDMCQA[0] | {"cop": cop}, index_from=index_from)
    assert load_task("medmcqa").gold_label(example) == letter


def test_index_from_is_zero_or_one() -> None:
    for value in (2, True, "1"):
        with pytest.raises(InputError, match=r"task\.index_from is"):
            load_task("medmcqa", index_from=value)


def test_a_question_is_the_same_with_its_options_in_another_order(tmp_path: Path) -> None:
    task = load_task("medmcqa")
    shuffled = MEDMCQA[0] | {
        "id": "x",
        "opa": "AB",
        "opb": "Q",
        "cop": 1,
        "question": "Which of these is a blood group (one only):",
    }
    assert task.validate(read_rows_as("medmcqa", tmp_path, MEDMCQA[0], shuffled)).counts == {"duplicate": 1}
    other_answer = MEDMCQA[0] | {"id": "x", "cop": 3}
    assert task.validate(read_rows_as("medmcqa", tmp_path, MEDMCQA[0], other_answer)).counts == {"contradiction": 1}
    other_options = MEDMCQA[0] | {"id": "x", "opd": "O"}
    assert task.validate(read_rows_as("medmcqa", tmp_path, MEDMCQA[0], other_options)).counts == {}


def test_an_explanation_that_is_the_option_is_no_leak(tmp_path: Path) -> None:
    row = MEDMCQA[0] | {"opb": "Antigen A and B", "exp": "Antigen A and B"}
    assert load_task("medmcqa").validate(read_rows_as("medmcqa", tmp_path, row)).counts == {}


@pytest.mark.parametrize("column", ["question", "opc", "cop"])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    row = {key: value for key, value in MEDMCQA[0].items() if key != column}
    with pytest.raises(InputError, match=f"line 1, field '{column}': the row has no such field"):
        read_rows_as("medmcqa", tmp_path, row)
