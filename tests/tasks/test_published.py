"""What holds for every task over published files, shown on invented rows in their schemas."""

import json
from pathlib import Path
from typing import Any

import pytest

from cowest.formats import load_format
from cowest.prompts import Prompts
from cowest.tasks import Task, load_task
from cowest.types import Answer, Example
from tests.tasks.invented import ROWS, lay_out

GIVEAWAYS = {
    "medmcqa": ("exp",),
    "prosocial_dialog": ("rots", "safety_annotation_reasons", "safety_label"),
    "pubmedqa": ("LONG_ANSWER",),
    "diasafety": ("category",),
    "strategyqa": ("facts", "decomposition"),
}
"""Fields that must not be in a query."""

TARGETS = {
    "ifqa": ["Answer: oak", "Answer: Ada Quill"],
    "medmcqa": ["Explanation: Ans. is 'b'\nAB is a blood group.\nAnswer: B", "Answer: C"],
    "prosocial_dialog": [
        "Explanation: blames a dog. It is unkind.\nAnswer: needs caution",
        "Explanation: Hides the truth.\nAnswer: needs caution",
        "Answer: casual",
    ],
    "pubmedqa": [
        "Explanation: Humming made the wait seem brief.\nAnswer: yes",
        "Explanation: The colour of doors calls for more study.\nAnswer: maybe",
    ],
    "diasafety": ["Answer: Unsafe", "Answer: Safe"],
    "strategyqa": [
        "Explanation: Herons are birds. Birds do not read.\nAnswer: no",
        "Explanation: Ladders are metres long.\nAnswer: yes",
    ],
    "tatqa": ["Explanation: 12-9\nAnswer: 3 thousand", "Answer: gravel"],
}


def load(name: str, folder: Path) -> Task:
    path = folder / ("rows.json.gz" if name == "pubmedqa" else "rows.jsonl.gz")
    lay_out(name, path)
    return load_task(name, test=str(path))


@pytest.fixture(params=ROWS)
def task(request: pytest.FixtureRequest, tmp_path: Path) -> Task:
    return load(request.param, tmp_path)


def test_every_gold_answer_scores_full_marks(task: Task) -> None:
    found = task.validate(task.test)
    assert found.num_gold_full == found.num_examples == len(ROWS[task.name])


def test_no_answer_scores_nothing(task: Task) -> None:
    for example in task.test:
        assert set(task.score(example, Answer(final=None)).values()) == {0.0}
        assert task.label_of(example, Answer(final=None)) is None


def test_labels_are_known_where_macro_f1_is_wanted(task: Task) -> None:
    for example in task.test:
        gold = task.gold_label(example)
        assert (gold is None) == (task.name in ("ifqa", "tatqa"))
        assert task.label_of(example, task.reference_answer(example)) == gold


@pytest.mark.parametrize("name", GIVEAWAYS)
def test_nothing_that_gives_the_answer_away_stands_in_a_query(name: str, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = list(ROWS[name].values()) if isinstance(ROWS[name], dict) else ROWS[name]
    for example, row in zip(load(name, tmp_path).test, rows, strict=True):
        for field in GIVEAWAYS[name]:
            texts = row[field] if isinstance(row[field], list) else [row[field]]
            assert not any(text and text in example.query for text in texts), field


def test_sft_targets(task: Task) -> None:
    chain_of_thought = load_format("chain_of_thought")
    assert [chain_of_thought.target(example) for example in task.test] == TARGETS[task.name]


@pytest.mark.parametrize("name", ["chain_of_thought", "direct_answer"])
def test_sft_targets_are_read_back_as_full_marks(task: Task, name: str) -> None:
    draft_format = load_format(name)
    for example in task.test:
        target = draft_format.target(example)
        assert target is not None
        assert task.score(example, draft_format.parse(target))[task.metric] == 1.0


def test_explanations_stand_in_no_prompt(task: Task) -> None:
    prompts = Prompts()
    for example in task.test:
        for name in ("draft_chain_of_thought", "solo_chain_of_thought", "refine"):
            values = {"query": example.query, **({"draft": "A draft."} if name == "refine" else {})}
            written = " ".join(message.content for message in prompts.render(name, **values))
            assert example.query in written
            assert not example.explanation or example.explanation not in written


def test_examples_survive_being_written(task: Task) -> None:
    for example in task.test:
        assert Example.model_validate(json.loads(example.model_dump_json())) == example


def test_a_json_list_reads_like_lines(tmp_path: Path) -> None:
    for name in ROWS:
        if name == "pubmedqa":
            continue  # its published form is an object
        lay_out(name, tmp_path / "rows.json")
        lay_out(name, tmp_path / "rows.jsonl.gz")
        as_list, as_lines = (load_task(name).read(str(tmp_path / file)) for file in ("rows.json", "rows.jsonl.gz"))
        assert list(as_list) == list(as_lines)


def test_a_hub_location_without_a_split_gets_the_split_it_is_given_for(task: Task) -> None:
    on_hub = load_task(task.name, train="hub:someone/data", validation="hub:someone/data:dev")
    assert on_hub.locations == {"train": "hub:someone/data:train", "validation": "hub:someone/data:dev", "test": None}
