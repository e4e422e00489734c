"""Training rows without an answer: feedback without references uses them, and nothing else does."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from cowest import synchronous
from cowest.doctor.data import check_data
from cowest.errors import InputError
from cowest.judge import AnswerMatchJudge, ModelJudge
from cowest.models.providers.scripted import ScriptedModel
from cowest.pipeline import Pipeline
from cowest.planning import make_plan
from cowest.recipe import make_recipe
from cowest.tasks import load_task
from cowest.types import Example
from tests.recipes import recipe_of
from tests.worlds import Sums

COMPARING = {"model": "scripted/tests.pipeline.test_unanswered:first", "reference": "none"}


def first(_: Any) -> str:
    return "1"


def write(path: Path, rows: Iterable[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def recipe(folder: Path, train: list[dict[str, Any]], judge: Any = None, **task: Any) -> dict[str, Any]:
    test = [{"question": f"Test {number}?", "answer": "yes", "options": ["yes", "no"]} for number in range(3)]
    files = {"train": write(folder / "train.jsonl", train), "test": write(folder / "test.jsonl", test)}
    return recipe_of(folder / "run", task={"name": "jsonl", **files, **task}, judge=judge or COMPARING)


ROWS = [
    {"question": "What is 1 plus 2?", "answer": "3"},
    {"question": "What is 2 plus 3?", "answer": None},
    {"question": "What is 3 plus 4?", "answer": " "},
    {"question": "What is 4 plus 5?"},
    {"question": "What is 5 plus 6?", "answer": "11"},
]


def test_rows_without_an_answer_are_for_feedback_alone_and_doctor_names_them(tmp_path: Path) -> None:
    pipeline = Pipeline(make_recipe(recipe(tmp_path, ROWS)))
    data = pipeline.context.data
    assert [example.id for example in data.sft()] == ["1", "5"]
    assert len(data.feedback()) == 5
    said = [check.line for check in check_data(pipeline, None)]
    assert any("5 examples; 2 gold answers" in line for line in said)
    assert any("3 rows without an answer" in line for line in said)
    assert [line.split(",")[0].split()[-1] for line in said if "has no answer" in line] == ["2", "3", "4"]
    assert not any(check.mark == "✗" for check in check_data(pipeline, None))
    plan = make_plan(pipeline)
    assert (plan.num_train, plan.num_queries) == (2, 5)
    with pipeline:
        pipeline.feedback(1)
    rows = [json.loads(line) for line in (tmp_path / "run/round-1/feedback/graded.jsonl").read_text().splitlines()]
    assert [row["reference"] for row in rows] == [["3"], [], [], [], ["11"]]


def test_choices_and_labels_may_lack_an_answer_too(tmp_path: Path) -> None:
    train = [
        {"question": "a?", "answer": "yes", "options": ["yes", "no"]},
        {"question": "b?", "answer": None, "options": ["yes", "no"]},
    ]
    for kind in ({"kind": "choice", "choices": "options"}, {"kind": "label"}):
        task = load_task("jsonl", train=write(tmp_path / "t.jsonl", train), **kind)
        task.accepts_unanswered = True
        answered, unanswered = task.train
        assert task.gold_label(answered) is not None
        assert (unanswered.references, task.gold_label(unanswered)) == ((), None)
        assert task.has_answer(unanswered, task.parse(unanswered, "Answer: no"))
        assert [problem.kind for problem in task.validate(task.train).problems] == ["unanswered"]


@pytest.mark.parametrize(
    "judge", ["strong", {"name": "answer_match"}, {"panel": ["strong", COMPARING | {"reference": "gold"}]}]
)
def test_a_judge_that_needs_references_refuses_rows_without(tmp_path: Path, judge: Any) -> None:
    if isinstance(judge, dict) and "panel" in judge:
        judge = {"panel": ["strong", {"model": COMPARING["model"]}]}
    pipeline = Pipeline(make_recipe(recipe(tmp_path, ROWS, judge=judge)))
    with pytest.raises(InputError, match="line 2, field 'answer'"):
        pipeline.context.data.feedback()


def test_only_training_rows_may_lack_an_answer(tmp_path: Path) -> None:
    made = recipe(tmp_path, ROWS)
    made["task"] |= {"validation": write(tmp_path / "validation.jsonl", [{"question": "c?", "answer": None}])}
    with pytest.raises(InputError, match="line 1, field 'answer'"):
        _ = Pipeline(make_recipe(made)).context.data.task.validation

    class Unanswered(Sums):
        def read(self, location: str) -> list[Example]:
            return [Example(id="x", query="q")]

    task = Unanswered(train="1", test="1")
    task.accepts_unanswered = True
    assert task.train[0].references == ()
    with pytest.raises(InputError, match="'x' has no answer"):
        _ = task.test


def test_a_judge_that_needs_a_reference_invents_no_score() -> None:
    example = Example(id="e", query="q")
    model = ScriptedModel(["10"])
    for judge in (ModelJudge(model), AnswerMatchJudge(Sums(train="1"))):
        verdict = synchronous.run(judge.score(example, "Answer: 3"))
        assert verdict.score is None
        assert "no reference" in str(verdict.unscored_reason)
    assert not model.requests
