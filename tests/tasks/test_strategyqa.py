from pathlib import Path
from typing import Any

import pytest

from cowest.errors import InputError
from cowest.tasks import load_task
from cowest.types import Answer, Example
from tests.tasks.invented import STRATEGYQA
from tests.tasks.rows import read_rows_as


def test_closed_book(tmp_path: Path) -> None:
    first, second = read_rows_as("strategyqa", tmp_path, *STRATEGYQA)
    assert first == Example(
        id="a1",
        query="Question: Could a heron read this line?\nAnswer with one of: yes, no.",
        references=("no",),
        explanation="Herons are birds. Birds do not read.",
        fields={"question": "Could a heron read this line?", "term": "Heron"},
        group="Heron",
    )
    assert second.references == ("yes",)


@pytest.mark.parametrize(
    ("final", "right"), [("No", 1.0), ("no.", 1.0), ("False", 1.0), ("yes", 0.0), ("True", 0.0), (None, 0.0)]
)
def test_true_and_false_mean_yes_and_no(tmp_path: Path, final: str | None, right: float) -> None:
    (example,) = read_rows_as("strategyqa", tmp_path, STRATEGYQA[0])
    assert load_task("strategyqa").score(example, Answer(final=final)) == {"accuracy": right}


def test_facts_may_be_missing(tmp_path: Path) -> None:
    row = {key: STRATEGYQA[1][key] for key in ("qid", "question", "answer")}
    (example,) = read_rows_as("strategyqa", tmp_path, row)
    assert (example.explanation, example.references) == (None, ("yes",))
    examples = read_rows_as(
        "strategyqa", tmp_path, row | {"facts": []}, row | {"qid": "b", "facts": ["", "It is long "]}
    )
    assert [example.explanation for example in examples] == [None, "It is long."]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"answer": "unknown"}, "field 'answer': 'unknown' is no label"),
        ({"answer": None}, "field 'answer'"),
        ({"question": ""}, "field 'question'"),
        ({"facts": "Herons are birds."}, "field 'facts': a list of texts"),
        ({"qid": "a1"}, "field 'qid': the id 'a1' is already that of line 1"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=r"line 2, " + problem):
        read_rows_as("strategyqa", tmp_path, STRATEGYQA[0], STRATEGYQA[1] | change)


def test_the_test_split_without_answers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 1, field 'answer': the row has no such field"):
        read_rows_as("strategyqa", tmp_path, {"qid": "a1", "question": "Is it?"})
