"""The published files, whole: as many rows and labels as their publishers say, and what is wrong with them by number.

Tables: file -> rows, labels, rows with an explanation, problems by kind. Every gold answer must score full marks.
"""

import functools
from collections import Counter
from pathlib import Path

import pytest

from cowest.tasks import Task, Validation, load_task
from tests.real_data import DATA, needs_data

pytestmark = needs_data

FILES = {
    "ifqa/train.jsonl.gz": (2400, {}, 0, {"duplicate": 22, "leak": 37}),
    "ifqa/dev.jsonl.gz": (700, {}, 0, {"leak": 13}),
    "medmcqa/train_sample.jsonl.gz": (1000, {"A": 300, "B": 268, "C": 238, "D": 194}, 0, {}),
    "medmcqa/dev_part.jsonl.gz": (
        3183,
        {"A": 1048, "B": 827, "C": 678, "D": 630},
        1660,
        {"duplicate": 8, "contradiction": 1},
    ),
    "prosocial_dialog/valid_first_turn_5way.jsonl.gz": (
        1024,
        {"casual": 173, "needs caution": 129 + 153 + 444, "needs intervention": 125},
        0,
        {},
    ),
    "prosocial_dialog/test_first_turn_5way_part.jsonl.gz": (
        323,
        {"casual": 44, "needs caution": 56 + 41 + 133, "needs intervention": 49},
        0,
        {},
    ),
    "prosocial_dialog/test_first_turn_4way.jsonl.gz": (
        2951,
        {"casual": 479, "needs caution": 770 + 1261, "needs intervention": 441},
        0,
        {},
    ),
    "prosocial_dialog/full_schema_examples.jsonl.gz": (
        17,
        {"casual": 1, "needs caution": 13, "needs intervention": 3},
        17,
        {},
    ),
    "pubmedqa/pqal_nontest.json.gz": (500, {"yes": 276, "no": 169, "maybe": 55}, 500, {}),
    "diasafety/train.jsonl.gz": (
        9017,
        {"Safe": 4839, "Unsafe": 4178},
        0,
        {"duplicate": 18, "contradiction": 3, "empty": 2},
    ),
    "diasafety/val.jsonl.gz": (1097, {"Safe": 595, "Unsafe": 502}, 0, {"duplicate": 1}),
    "diasafety/test_seen_contexts.jsonl.gz": (495, {"Safe": 349, "Unsafe": 146}, 0, {}),
    "strategyqa/train_part.jsonl.gz": (1517, {"no": 801, "yes": 716}, 1517, {"duplicate": 1}),
    "strategyqa/dev_part.jsonl.gz": (173, {"no": 92, "yes": 81}, 173, {}),
}
NOT_FULL: dict[str, dict[str, str]] = {}
"""Rows by file whose gold answer cannot score full marks, each with the reason. There are none."""

OVERLAPS = {
    ("ifqa/train.jsonl.gz", "ifqa/dev.jsonl.gz"): 9,
    ("medmcqa/train_sample.jsonl.gz", "medmcqa/dev_part.jsonl.gz"): 1,
    ("diasafety/train.jsonl.gz", "diasafety/val.jsonl.gz"): 3,
    ("diasafety/train.jsonl.gz", "diasafety/test_seen_contexts.jsonl.gz"): 1,
    ("diasafety/val.jsonl.gz", "diasafety/test_seen_contexts.jsonl.gz"): 0,
    ("strategyqa/train_part.jsonl.gz", "strategyqa/dev_part.jsonl.gz"): 0,
    ("prosocial_dialog/valid_first_turn_5way.jsonl.gz", "prosocial_dialog/test_first_turn_4way.jsonl.gz"): 0,
    ("prosocial_dialog/test_first_turn_5way_part.jsonl.gz", "prosocial_dialog/test_first_turn_4way.jsonl.gz"): 0,
    ("prosocial_dialog/test_first_turn_4way.jsonl.gz", "prosocial_dialog/full_schema_examples.jsonl.gz"): 1,
}


def task_over(train: str, test: str | None = None) -> Task:
    locations = {"train": str(DATA / train)} | ({} if test is None else {"test": str(DATA / test)})
    return load_task(Path(train).parts[0], **locations)  # type: ignore[arg-type]


@functools.cache
def validated(file: str) -> tuple[Task, Validation]:
    task = task_over(file)
    return task, task.validate(task.train)


@pytest.mark.parametrize("file", FILES)
def test_every_row_is_read_and_every_gold_answer_is_right(file: str) -> None:
    num_rows, labels, num_explained, problems = FILES[file]
    task, found = validated(file)
    examples = task.train
    assert len(examples) == num_rows
    assert Counter(label for label in map(task.gold_label, examples) if label) == labels
    assert sum(example.explanation is not None for example in examples) == num_explained
    not_full = {problem.row for problem in found.problems if problem.kind == "gold"}
    assert not_full == set(NOT_FULL.get(file, {}))
    assert found.num_gold_full == num_rows - len(not_full)
    assert found.counts == problems


@pytest.mark.parametrize(("earlier", "later"), OVERLAPS)
def test_what_two_files_share(earlier: str, later: str) -> None:
    assert len(task_over(earlier, later).overlaps()) == OVERLAPS[earlier, later]


def test_every_file_is_in_the_table() -> None:
    there = {path.relative_to(DATA).as_posix() for path in DATA.glob("*/*.gz") if path.parent.name != "tatqa"}
    assert there == set(FILES)


def test_empty_replies_are_named_by_row() -> None:
    _, found = validated("diasafety/train.jsonl.gz")
    empty = [problem.row for problem in found.problems if problem.kind == "empty"]
    assert empty == ["3929", "7398"]


def test_turns_of_one_dialogue_know_what_came_before() -> None:
    examples = task_over("prosocial_dialog/full_schema_examples.jsonl.gz").train
    for example in examples:
        assert example.query.count("Speaker: ") == example.query.count("Reply: ") == example.fields["response_id"]


def test_either_of_two_equal_options_is_right() -> None:
    task = task_over("medmcqa/dev_part.jsonl.gz")
    num_rows = 0
    for example in task.train:
        options, gold = example.fields["options"], example.fields["answer_index"]
        twins = [i for i, option in enumerate(options) if option.casefold() == options[gold].casefold() and i != gold]
        for twin in twins:
            num_rows += 1
            answer = task.reference_answer(example).model_copy(update={"final": f"({'ABCD'[twin]})"})
            assert task.label_of(example, answer) == task.gold_label(example)
    assert num_rows > 0
