import json
from pathlib import Path
from typing import Any

import pytest

from cowest.errors import InputError
from cowest.tasks import load_task
from cowest.types import Answer, Example
from tests.tasks.invented import PUBMEDQA


def read(folder: Path, document: Any) -> list[Example]:
    path = folder / "pqal.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return list(load_task("pubmedqa").read(str(path)))


def test_the_abstract_with_its_sections(tmp_path: Path) -> None:
    first, second = read(tmp_path, PUBMEDQA)
    assert first == Example(
        id="101",
        query="Abstract:\nBACKGROUND: Waiting is long.\nMETHODS: Forty people hummed.\n"
        "RESULTS: The wait was four minutes shorter.\n\n"
        "Question: Does humming shorten the wait?\nAnswer with one of: yes, no, maybe.",
        references=("yes",),
        explanation="Humming made the wait seem brief.",
        fields={"question": "Does humming shorten the wait?", "year": "2011"},
    )
    assert (second.id, second.references, "year" in second.fields) == ("102", ("maybe",), False)


def test_sections_without_names(tmp_path: Path) -> None:
    entry = {key: value for key, value in PUBMEDQA["101"].items() if key not in ("LABELS", "LONG_ANSWER", "YEAR")}
    (example,) = read(tmp_path, {"1": entry})
    assert example.query.startswith("Abstract:\nWaiting is long.\nForty people hummed.\n")
    assert example.explanation is None


def test_scores(tmp_path: Path) -> None:
    task = load_task("pubmedqa")
    first, _ = read(tmp_path, PUBMEDQA)
    assert task.score(first, Answer(final="Yes.")) == {"accuracy": 1.0}
    assert task.score(first, Answer(final="No")) == {"accuracy": 0.0}
    assert task.label_of(first, Answer(final="yes or no")) is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"final_decision": "perhaps"}, "field 'final_decision': 'perhaps' is no label"),
        ({"final_decision": None}, "field 'final_decision'"),
        ({"QUESTION": ""}, "field 'QUESTION'"),
        ({"CONTEXTS": []}, "field 'CONTEXTS'"),
        ({"LABELS": ["METHODS"]}, "field 'LABELS': there are 1 section names for 3 sections"),
    ],
)
def test_broken_entries_are_named(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=rf"pqal\.json', entry '7', {problem}"):
        read(tmp_path, {"102": PUBMEDQA["102"], "7": PUBMEDQA["101"] | change})


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    entry = {key: value for key, value in PUBMEDQA["101"].items() if key != "final_decision"}
    with pytest.raises(InputError, match=r"entry '1', field 'final_decision': the row has no such field"):
        read(tmp_path, {"1": entry})


def test_a_list_is_no_object_of_entries(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must hold a JSON object that maps"):
        read(tmp_path, list(PUBMEDQA.values()))
    with pytest.raises(InputError, match=r"none\.json' does not exist"):
        list(load_task("pubmedqa").read(str(tmp_path / "none.json")))
