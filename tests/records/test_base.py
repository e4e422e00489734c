"""What holds for each document of a run, and how rows are read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from cowest import runs
from cowest.errors import InputError
from cowest.records import (
    AuditResults,
    BenchResults,
    Document,
    EvaluationResults,
    ExplanationSummary,
    Failure,
    FeedbackSummary,
    MeasuredExample,
    NullSample,
    Prediction,
    StageInputs,
    TrainingRecord,
    read_rows,
)
from cowest.types import Verdict
from tests.auditing.sample import audit
from tests.report.sample import agreement, bench, control, gate, predictions, results, summary, training

DOCUMENTS: dict[str, Document] = {
    "results.json": results(),
    "audit.json": audit(),
    "summary.json": summary(null_control=control(0.1), judge_agreement=agreement()),
    "training.json": training(),
    "gate.json": gate(),
    "bench.json": bench(),
    "explanations.json": ExplanationSummary(num_examples=5, num_made=4, num_kept=2, num_rejected=1, num_failed=2),
    "inputs.json": StageInputs.model_validate({"seed": 0, "weak.model": "local/x", "examples": "ab" * 32}),
}
SMALLEST: dict[str, Document] = {
    "results.json": EvaluationResults(),
    "audit.json": AuditResults(pair="a", strong="b", num_examples=0, overall=audit().overall, min_slice=30),
    "summary.json": FeedbackSummary(),
    "training.json": TrainingRecord(adapter=None, base="local/x", from_="runs/one/sft"),
    "gate.json": gate(test=None),
    "bench.json": BenchResults(),
    "explanations.json": ExplanationSummary(),
    "inputs.json": StageInputs(),
}
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "results.json": ({"methods": {"weak_only": {"calls": 3}}}, r"methods\.weak_only\.calls: "),
    "audit.json": ({"slices": [{"field": "x"}]}, r"slices\.0\.difference: "),
    "summary.json": ({"judge_agreement": {"metric": "accuracy"}}, r"judge_agreement\.num_outputs: "),
    "training.json": ({"versions": 5}, "versions: "),
    "gate.json": ({"policy": {"cuts": ["low"], "arms": ["both"]}}, r"policy\.cuts\.0: "),
    "bench.json": ({"claims": [{"name": "x", "verdict": "perhaps"}]}, r"claims\.0\.verdict: "),
    "explanations.json": ({"num_kept": -1}, "num_kept: "),
    "inputs.json": ({"prompt files": None}, "prompt files: "),
}

each_document = pytest.mark.parametrize("name", DOCUMENTS)


@each_document
@pytest.mark.parametrize("documents", [DOCUMENTS, SMALLEST], ids=["whole", "smallest"])
def test_what_is_written_is_read_back(tmp_path: Path, documents: dict[str, Document], name: str) -> None:
    document = documents[name]
    document.write(tmp_path / "stage" / name)
    assert type(document).read(tmp_path / "stage" / name) == document
    assert runs.read_json(tmp_path / "stage" / name) == document.to_json()
    assert [path.name for path in (tmp_path / "stage").iterdir()] == [name]


@each_document
def test_a_file_carries_its_version_first(name: str) -> None:
    found = DOCUMENTS[name].to_json()
    assert next(iter(found)) == "version"
    assert found["version"] == type(DOCUMENTS[name]).VERSION


@each_document
def test_a_file_without_a_version_is_of_the_first(tmp_path: Path, name: str) -> None:
    written = DOCUMENTS[name].to_json()
    del written["version"]
    runs.write_json(tmp_path / name, written)
    assert type(DOCUMENTS[name]).read(tmp_path / name).version == 1


@each_document
def test_a_later_version_is_refused_and_says_what_to_do(tmp_path: Path, name: str) -> None:
    kind = type(DOCUMENTS[name])
    runs.write_json(tmp_path / name, {"version": kind.VERSION + 6, "methods": "of another kind"})
    with pytest.raises(InputError) as refused:
        kind.read(tmp_path / name)
    said = str(refused.value)
    assert str(tmp_path / name) in said
    assert f"version {kind.VERSION + 6}" in said
    assert f"up to {kind.VERSION}." in said
    assert "pip install -U cowest" in said
    assert "Delete" not in said  # what a newer version paid for is no waste


@pytest.mark.parametrize("version", [0, -1, "one", None])
def test_a_version_that_is_none_is_named(tmp_path: Path, version: object) -> None:
    runs.write_json(tmp_path / "results.json", {"version": version})
    with pytest.raises(InputError, match=r"results\.json.* version: "):
        EvaluationResults.read(tmp_path / "results.json")


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "inputs.json"])
def test_fields_of_a_later_version_are_ignored(tmp_path: Path, name: str) -> None:
    runs.write_json(tmp_path / name, DOCUMENTS[name].to_json() | {"since_later": [1, {"a": None}]})
    found = type(DOCUMENTS[name]).read(tmp_path / name)
    assert found == DOCUMENTS[name]
    assert "since_later" not in found.to_json()


def test_fields_of_a_later_version_are_ignored_in_every_part(tmp_path: Path) -> None:
    written = results().to_json()
    row = written["methods"]["weak_only"]
    for part in (row, row["latency_s"], row["metrics"]["f1"], written["comparisons"][0]):
        part["since_later"] = 1
    runs.write_json(tmp_path / "results.json", written)
    assert EvaluationResults.read(tmp_path / "results.json") == results()


@each_document
def test_a_broken_file_names_itself_and_the_field(tmp_path: Path, name: str) -> None:
    changes, field = FAULTS[name]
    runs.write_json(tmp_path / name, DOCUMENTS[name].to_json() | changes)
    with pytest.raises(InputError, match=rf"{name}' is not what cowest wrote there: {field}") as refused:
        type(DOCUMENTS[name]).read(tmp_path / name)
    assert type(DOCUMENTS[name]).ADVICE in str(refused.value)


@each_document
@pytest.mark.parametrize("found", [[], 3, None, "text"])
def test_json_of_another_shape_is_refused(tmp_path: Path, name: str, found: object) -> None:
    runs.write_json(tmp_path / name, found)
    with pytest.raises(InputError, match=f"{name}' is not what cowest wrote there"):
        type(DOCUMENTS[name]).read(tmp_path / name)


def test_a_missing_file_and_one_without_json_are_the_users_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        EvaluationResults.read(tmp_path / "results.json")
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        EvaluationResults.read(tmp_path / "results.json")


ROWS: dict[str, Sequence[BaseModel]] = {
    "predictions": predictions("collaborate"),
    "failures": [Failure(example_id="q9", reason="no reply")],
    "null_control": [NullSample(example_id="q1", text="z'", verdict=Verdict(score=4))],
    "measured": [MeasuredExample(id="q1", confidence=-0.5), MeasuredExample(id="q2", error="no reply")],
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_read_back(tmp_path: Path, name: str) -> None:
    rows = list(ROWS[name])
    runs.write_jsonl(tmp_path / "rows.jsonl", rows)
    assert list(read_rows(tmp_path / "rows.jsonl", type(rows[0]), "row")) == rows


def test_a_broken_row_is_named_by_its_line_and_field(tmp_path: Path) -> None:
    file = tmp_path / "collaborate.jsonl"
    first, second, *_ = (row.model_dump(mode="json") for row in predictions("collaborate"))
    runs.write_jsonl(file, [first, second | {"usage": {"weak": {"prompt_tokens": "many"}}}])
    rows = read_rows(file, Prediction, "prediction", "Evaluate again.")
    assert next(rows).id == "q0"
    where = r"collaborate\.jsonl', line 2 is no prediction: usage\.weak\.prompt_tokens: "
    with pytest.raises(InputError, match=rf"{where}.*Evaluate again\.$"):
        next(rows)


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    (tmp_path / "failures.jsonl").write_text('{"example_id": "a", "reason": "b"}\n[]\n')
    with pytest.raises(InputError, match="line 2 is not a JSON object"):
        list(read_rows(tmp_path / "failures.jsonl", Failure, "failure"))
