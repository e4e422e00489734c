import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from cowest.ledger import Ledger
from cowest.types import ChatRequest, Completion, Message, Usage
from cowest.viewer.live import LedgerProblem, Live, RoleCalls, Status

NOW = 2_000_000_000.0


async def pay(ledger: Ledger, role: str, number: int, cost_usd: float | None) -> None:
    request = ChatRequest(messages=(Message(role="user", content=f"question {number}"),))
    key = ledger.key(role, "m", "", request)
    await ledger.intend(key, role, "m", request)
    await ledger.settle(key, Completion(text="yes", finish_reason="stop", usage=Usage(), cost_usd=cost_usd))


def write_recipe(folder: Path) -> None:
    folder.mkdir()
    (folder / "recipe.yaml").write_text("feedback: {queries: 10, samples: 5}\nstrong: {budget_usd: 2.5}\n")


def started(folder: Path, stage: str, at: float) -> None:
    (folder / stage).mkdir(parents=True)
    inputs = folder / stage / "inputs.json"
    inputs.write_text("{}")
    os.utime(inputs, (at, at))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    write_recipe(folder)
    started(folder, "round-1/feedback", NOW - 30)
    times = iter([NOW - 200.0] * 2 + [NOW - 20.0] * 100)
    monkeypatch.setattr("cowest.ledger.calls.time.time", lambda: next(times))

    async def all_calls() -> None:
        with Ledger(folder / "ledger.sqlite") as ledger:
            await pay(ledger, "weak", 0, 0.0)  # before this stage
            for number in range(1, 4):
                await pay(ledger, "weak", number, 0.0)
            await pay(ledger, "strong", 0, 0.25)
            await pay(ledger, "judge", 0, None)

    asyncio.run(all_calls())
    os.utime(folder / "ledger.sqlite", (NOW - 20, NOW - 20))
    return folder


def status(folder: Path, now: float = NOW) -> Status:
    return Live(folder, clock=lambda: now).status()


def test_a_run_that_goes_on_tells_calls_money_and_rate(run: Path) -> None:
    found = status(run)
    assert found.active
    assert found.changed_s == 20
    assert found.roles["weak"] == RoleCalls(calls=4, spend_usd=0.0, per_minute=3, this_stage=3)
    assert found.roles["strong"] == RoleCalls(calls=1, spend_usd=0.25, per_minute=1, this_stage=1)
    assert found.roles["judge"] == RoleCalls(calls=1, spend_usd=None, per_minute=1, this_stage=1)
    assert found.limits == {"budget_usd": 2.5, "drafts": 50}


def test_a_run_without_change_has_stopped(run: Path) -> None:
    assert not status(run, NOW + 1000).active


def test_a_finished_run_does_not_go_on(run: Path) -> None:
    (run / "evaluate").mkdir()
    (run / "evaluate" / "results.json").write_text("{}")
    assert not status(run).active


def test_training_tells_its_last_step(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write_recipe(folder)
    started(folder, "sft", NOW)
    (folder / "sft" / "metrics.jsonl").write_text('{"step": 1, "loss": 0.7}\n{"step": 2, "loss": 0.5, "epoch": 0.1}\n')
    stage = status(folder).stages[0]
    assert (stage.state, stage.step) == ("started", {"step": 2, "epoch": 0.1, "loss": 0.5})


@pytest.mark.parametrize("content", [b"", b"\xff\xfe not a recipe: [", b"- a list"])
def test_a_run_that_cannot_be_read_has_a_status(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_bytes(content)
    (folder / "ledger.sqlite").write_bytes(b"no database at all, but long enough to be taken for one" * 10)
    found = status(folder).roles[""]
    assert isinstance(found, LedgerProblem)
    assert "cannot be read" in found.problem


def test_of_a_ledger_that_runs_share_only_this_runs_calls_count(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    write_recipe(folder)
    (folder / ".run-id").write_text("mine\n")
    (folder / "ledger.sqlite").symlink_to(tmp_path / "shared.sqlite")
    with contextlib.closing(sqlite3.connect(tmp_path / "shared.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 2")
        connection.execute("CREATE TABLE calls (run TEXT, role TEXT, cost_usd REAL, finished_at REAL)")
        rows = [("mine", "strong", 0.25, NOW - 5), ("another", "strong", 9.0, NOW - 5), ("mine", "strong", None, None)]
        connection.executemany("INSERT INTO calls VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    found = status(folder).roles
    assert found == {"strong": RoleCalls(calls=1, spend_usd=0.25, per_minute=1, this_stage=1)}


def test_looking_changes_nothing(run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    status(run)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
