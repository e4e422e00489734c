import asyncio
import io
import json
from pathlib import Path

import pytest

from cowest import runs
from cowest.cluster import Place
from cowest.cluster.places import Node
from cowest.engines import Serving
from cowest.errors import InputError
from cowest.ledger import Ledger
from cowest.pipeline.engines_now import EnginesNow
from cowest.report import collect, print_run
from cowest.runs import RunFolder
from cowest.types import ChatRequest, Completion, Message
from cowest.viewer.live import Live
from tests.report.sample import results, summary, training


def test_a_finished_run(run_folder: Path) -> None:
    found = collect(run_folder)
    assert [(each.stage, each.round, each.state) for each in found.stages] == [
        ("sft", None, "done"),
        ("feedback", 1, "done"),
        ("align", 1, "done"),
        ("feedback", 2, "done"),
        ("align", 2, "done"),
        ("evaluate", None, "done"),
    ]
    assert found.rounds[0].feedback == summary()
    assert found.rounds[0].failures[0].example_id == "q9"
    assert found.results == results()
    assert found.spend_usd is None
    assert found.unreadable == []


def test_what_machines_are_shown_is_what_the_files_hold(run_folder: Path) -> None:
    shown = json.loads(collect(run_folder).model_dump_json(by_alias=True))
    keys = ["run", "stages", "sft", "rounds", "results", "gate", "spend_usd", "calls", "shared_ledger", "recipe"]
    assert sorted(shown) == sorted([*keys, "unreadable"])
    assert shown["results"] == runs.read_json(run_folder / "evaluate/results.json")
    assert shown["sft"] == runs.read_json(run_folder / "sft/training.json")
    assert shown["rounds"][1]["feedback"] == runs.read_json(run_folder / "round-2/feedback/summary.json")
    assert shown["rounds"][1]["failures"] == list(runs.read_jsonl(run_folder / "round-2/feedback/failures.jsonl"))
    assert shown["rounds"][1]["align"] == runs.read_json(run_folder / "round-2/align/training.json")
    assert shown["stages"][0] == {"stage": "sft", "round": None, "state": "done", "wall_s": 83.0}


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("rounds: 2\n")
    training().write(tmp_path / "sft" / "training.json")
    runs.write_text(tmp_path / "round-1" / "feedback" / "graded.jsonl", "")
    found = collect(tmp_path)
    assert [each.state for each in found.stages] == ["done", "started", *["missing"] * 4]
    assert found.results is None


def test_engines_are_shown_while_the_process_that_drives_them_lives(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    now = EnginesNow(run.engines_now)
    servers = ("http://127.0.0.1:8001/v1", "http://127.0.0.1:8002/v1")
    now.serving(Serving("weak", "/opt/vllm/bin/vllm", servers, Path("models/8b"), ("adapter-3f2a91c0aa", "adapter-77")))
    now.drafting([Place(Node("n", "10.0.0.2", 8, 2), 1, True)])
    lines = ["cluster: 1 engine, on node 10.0.0.2, GPU 1"]
    lines.append("weak: vllm at 127.0.0.1:8001, 127.0.0.1:8002, model 8b, adapters 3f2a91c0, 77")
    assert collect(tmp_path).engines == lines
    out = io.StringIO()
    print_run(collect(tmp_path), out)
    assert all(line in out.getvalue() for line in lines)
    assert Live(tmp_path).status().engines == lines
    document = runs.read_json(run.engines_now)
    elsewhere = document | {"host": "another", "pid": 2**22 + 1}
    runs.write_json(run.engines_now, elsewhere)
    assert all("another" in line for line in collect(tmp_path).engines or [])
    runs.write_json(run.engines_now, document | {"pid": 2**22 + 1})  # above every process id of Linux: killed
    assert collect(tmp_path).engines is None
    runs.write_text(run.engines_now, "{")
    assert collect(tmp_path).engines is None
    now.serving(Serving("weak", "vllm", (), None, ()))
    now.drafting([])
    assert not run.engines_now.exists()


def test_an_empty_folder(tmp_path: Path) -> None:
    found = collect(tmp_path)
    assert {each.state for each in found.stages} == {"missing"}
    assert found.recipe is None


@pytest.mark.parametrize("text", ["{", "[]", '{"num_pairs": "many"}', '{"methods": 3}', "\x00"])
def test_broken_parts_are_named_and_left_out(run_folder: Path, text: str) -> None:
    (run_folder / "round-1" / "feedback" / "summary.json").write_text(text)
    (run_folder / "evaluate" / "results.json").write_text(text)
    (run_folder / "round-2" / "feedback" / "failures.jsonl").write_bytes(b"\xff\n")
    found = collect(run_folder)
    broken = " ".join(found.unreadable)
    assert "failures.jsonl" in broken
    assert ("summary.json" in broken) == (found.rounds[0].feedback is None)
    assert ("results.json" in broken) == (found.results is None)
    assert "summary.json" in broken or "results.json" in broken


def test_spend_by_role_comes_from_the_ledger(tmp_path: Path) -> None:
    summary().write(tmp_path / "round-1" / "feedback" / "summary.json")

    async def pay() -> None:
        with Ledger(tmp_path / "ledger.sqlite", RunFolder(tmp_path).id) as ledger:
            request = ChatRequest(messages=(Message(role="user", content="?"),))
            await ledger.intend("key", "strong", "openai/x", request)
            await ledger.settle("key", Completion(text="!", finish_reason="stop", cost_usd=0.25))
            await ledger.bookings.book("cut off", "strong", "openai/x", request, 0.5)
            await ledger.bookings.book("failed", "judge", "openai/x", request, 2.0)
            await ledger.bookings.end("failed", may_be_billed=True)
            await ledger.bookings.book("refused", "judge", "openai/x", request, 4.0)
            await ledger.bookings.end("refused", may_be_billed=False)

    asyncio.run(pay())
    found = collect(tmp_path)
    assert found.spend_usd == {"strong": 0.25}
    assert found.calls == {"strong": 1}
    assert found.possibly_billed_usd == {"judge": 2.0, "strong": 0.5}
    print_run(found, stream := io.StringIO())
    assert "Possibly billed besides, at most: $2.50 (judge $2.00, strong $0.5000)" in stream.getvalue()


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database at all, whatever its name says" * 30)
    found = collect(tmp_path)
    assert found.spend_usd is None
    assert any("ledger.sqlite" in line for line in found.unreadable)


def test_a_missing_run_names_the_nearest(run_folder: Path) -> None:
    with pytest.raises(InputError, match=r"Did you mean 'ifqa'"):
        collect(run_folder.parent / "ifq")


def test_failures_that_are_no_objects_are_named(run_folder: Path) -> None:
    (run_folder / "round-1/feedback/failures.jsonl").write_text("3\n")
    assert "not a JSON object" in collect(run_folder).unreadable[0]


def test_a_failure_without_a_reason_is_named_and_the_rest_is_read(run_folder: Path) -> None:
    file = run_folder / "round-1/feedback/failures.jsonl"
    file.write_text(file.read_text() + '{"example_id": "q10"}\n')
    found = collect(run_folder)
    (problem,) = found.unreadable
    assert "failures.jsonl', line 2 is no failure: reason" in problem
    assert [each.example_id for each in found.rounds[1].failures] == ["q9"]
    assert found.results is not None


def test_a_failure_with_a_field_of_a_later_version_is_read(run_folder: Path) -> None:
    runs.write_jsonl(
        run_folder / "round-1/feedback/failures.jsonl", [{"example_id": "q9", "reason": "no reply", "attempts": 3}]
    )
    found = collect(run_folder)
    assert found.unreadable == []
    assert found.rounds[0].failures[0].reason == "no reply"


def test_a_part_that_a_later_version_wrote_is_named_and_the_rest_is_read(run_folder: Path) -> None:
    runs.write_json(run_folder / "evaluate/results.json", results().to_json() | {"version": 2})
    found = collect(run_folder)
    assert "newer cowest" in found.unreadable[0]
    assert found.results is None
    assert found.rounds[0].feedback == summary()
