import asyncio
import json
from pathlib import Path

import pytest

from cowest.errors import InputError
from cowest.ledger import Ledger
from cowest.report import collect
from cowest.runs import RunFolder
from cowest.types import ChatRequest, Completion, Message
from tests.report.sample import summary, training, write_json


def test_a_finished_run(run_folder: Path) -> None:
    found = collect(run_folder)
    assert [(each["stage"], each["round"], each["state"]) for each in found["stages"]] == [
        ("sft", None, "done"),
        ("feedback", 1, "done"),
        ("align", 1, "done"),
        ("feedback", 2, "done"),
        ("align", 2, "done"),
        ("evaluate", None, "done"),
    ]
    assert found["rounds"][0]["feedback"]["num_pairs"] == 612
    assert found["rounds"][0]["failures"][0]["example_id"] == "q9"
    assert found["results"]["methods"]["collaborate"]["metrics"]["exact_match"]["value"] == 0.77
    assert found["spend_usd"] is None
    assert found["unreadable"] == []
    json.dumps(found)


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("rounds: 2\n")
    write_json(tmp_path / "sft" / "training.json", training())
    write_json(tmp_path / "round-1" / "feedback" / "graded.jsonl", {})
    found = collect(tmp_path)
    assert [each["state"] for each in found["stages"]] == [
        "done",
        "started",
        "missing",
        "missing",
        "missing",
        "missing",
    ]
    assert found["results"] is None


def test_an_empty_folder(tmp_path: Path) -> None:
    found = collect(tmp_path)
    assert {each["state"] for each in found["stages"]} == {"missing"}
    assert found["recipe"] is None


@pytest.mark.parametrize("text", ["{", "[]", '{"num_pairs": "many"}', '{"methods": 3}', "\x00"])
def test_broken_parts_are_named_and_left_out(run_folder: Path, text: str) -> None:
    (run_folder / "round-1" / "feedback" / "summary.json").write_text(text)
    (run_folder / "evaluate" / "results.json").write_text(text)
    (run_folder / "round-2" / "feedback" / "failures.jsonl").write_bytes(b"\xff\n")
    found = collect(run_folder)
    broken = " ".join(found["unreadable"])
    assert "failures.jsonl" in broken
    assert ("summary.json" in broken) == (found["rounds"][0]["feedback"] is None)
    assert ("results.json" in broken) == (found["results"] is None)
    assert "summary.json" in broken or "results.json" in broken


def test_spend_by_role_comes_from_the_ledger(tmp_path: Path) -> None:
    write_json(tmp_path / "round-1" / "feedback" / "summary.json", summary())

    async def pay() -> None:
        with Ledger(tmp_path / "ledger.sqlite", RunFolder(tmp_path).id) as ledger:
            request = ChatRequest(messages=(Message(role="user", content="?"),))
            await ledger.intend("key", "strong", "openai/x", request)
            await ledger.settle("key", Completion(text="!", finish_reason="stop", cost_usd=0.25))

    asyncio.run(pay())
    found = collect(tmp_path)
    assert found["spend_usd"] == {"strong": 0.25}
    assert found["calls"] == {"strong": 1}


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database at all, whatever its name says" * 30)
    found = collect(tmp_path)
    assert found["spend_usd"] is None
    assert "ledger.sqlite" in found["unreadable"][0]


def test_a_missing_run_names_the_nearest(run_folder: Path) -> None:
    with pytest.raises(InputError, match=r"Did you mean 'ifqa'"):
        collect(run_folder.parent / "ifq")


def test_failures_that_are_no_objects_are_named(run_folder: Path) -> None:
    (run_folder / "round-1/feedback/failures.jsonl").write_text("3\n")
    assert "no JSON object" in collect(run_folder)["unreadable"][0]
