"""Recorded traffic: only when asked for, readable as a task once labelled, gone when old."""

import datetime
import json
import stat
from pathlib import Path

import pytest

import cowest
from cowest.errors import InputError
from cowest.serving.record import TrafficRecord
from tests.serving.served import DRAFT, events, question, served


def test_nothing_is_kept_unless_told(tmp_path: Path) -> None:
    with served(str(tmp_path / "pair")) as world:
        assert world.post(question()).status_code == 200
    assert not (tmp_path / "pair").exists()


def test_recorded_traffic_is_a_task_once_it_is_labelled(tmp_path: Path) -> None:
    with served(str(tmp_path / "pair"), record={"keep_days": 3}) as world:
        world.post(question())
        earlier = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi."}]
        streamed = world.post({"model": "pair", "messages": [*earlier, *question()["messages"]], "stream": True})
        world.strong.fault = "server_error"
        world.post(question("never answered"))
    (file,) = (tmp_path / "pair/traffic").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["output"] for row in rows] == ["Explanation: heard. Answer: 1", "Explanation: heard. Answer: 3"]
    assert [row["context"] for row in rows] == ["", "user: Hello\n\nassistant: Hi."]
    assert {(row["question"], row["draft"], row["answer"]) for row in rows} == {("What is 20 plus 22?", DRAFT, None)}
    assert rows[1]["id"] == json.loads(events(streamed.text)[0])["id"]
    unlabelled = cowest.task("jsonl", train=str(file), context="context", id="id")
    with pytest.raises(InputError, match="answer"):
        _ = unlabelled.train
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_text("".join(json.dumps(row | {"answer": "42"}) + "\n" for row in rows))
    task = cowest.task("jsonl", train=str(labelled), context="context", id="id")
    assert [example.references for example in task.train] == [("42",), ("42",)]
    assert "Hi." in task.train[1].query


def test_a_record_that_cannot_be_written_costs_no_answer(tmp_path: Path) -> None:
    with served(str(tmp_path / "pair"), record={"folder": str(tmp_path / "kept")}) as world:
        (tmp_path / "kept").rmdir()
        assert world.post(question()).status_code == 200
        assert world.comes_to("cowest_record_failures_total", 1)


def test_old_files_are_deleted_and_others_left_alone(tmp_path: Path) -> None:
    for name in ("2026-01-01.jsonl", "2026-01-09.jsonl", "2026-01-10.jsonl", "notes.jsonl", "2026-01-01.jsonl.bak"):
        (tmp_path / name).touch()
    day = [datetime.date(2026, 1, 10)]
    record = TrafficRecord(tmp_path, 1, today=lambda: day[0])
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"2026-01-09.jsonl", "2026-01-10.jsonl", "notes.jsonl", "2026-01-01.jsonl.bak"}
    day[0] = datetime.date(2026, 2, 1)
    record.expire()
    assert {path.name for path in tmp_path.iterdir()} == {"notes.jsonl", "2026-01-01.jsonl.bak"}


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"serve\.record\.folder"):
        TrafficRecord(tmp_path / "file", 1)
