"""The files of a run carry what a person filters by: references and short fields of the examples."""

import json
from pathlib import Path
from typing import Any

from cowest.stages._facets import short_fields
from cowest.stages.evaluate import evaluate
from cowest.stages.feedback import feedback
from cowest.types import Example
from tests.worlds import ScoreBy, Sums, gambler, right_or_wrong, sums

EXAMPLES = [
    example.model_copy(update={"fields": {"subject": "sums", "year": 2020, "text": "long " * 40, "options": ["a"]}})
    for example in sums(3)
]
SHORT = {"subject": "sums", "year": 2020}


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_long_fields_and_lists_stay_in_the_data() -> None:
    assert short_fields(EXAMPLES[0]) == SHORT
    fields = {"rate": 0.5, "is_new": True, "nothing": None}
    example = Example(id="e", query="x", references=("y",), fields=fields)
    assert short_fields(example) == {"rate": 0.5, "is_new": True}


def test_graded_examples_carry_them(tmp_path: Path) -> None:
    feedback(
        EXAMPLES, weak=gambler("weak", 0.4), strong=gambler("strong", 0.5), judge=ScoreBy(right_or_wrong), out=tmp_path
    )
    found = [(row["reference"], row["fields"]) for row in rows(tmp_path / "graded.jsonl")]
    assert found == [([*example.references], SHORT) for example in EXAMPLES]


def test_predictions_carry_them(tmp_path: Path) -> None:
    evaluate(EXAMPLES, {"mine": gambler("strong", 0.5)}, task=Sums(test="3"), out=tmp_path)
    assert [row["fields"] for row in rows(tmp_path / "predictions" / "mine.jsonl")] == [SHORT] * 3
