"""A kill at any moment of any stage, then the same command: the same pairs, the same adapters, the same answers.

The suite kills feedback and explanations with calls in flight here, SFT and alignment between checkpoints in
training/test_session.py, and feedback that waits for a batch in models/test_batched.py. Whole runs are killed by
`make test-slow`.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cowest import runs
from cowest.plugins import resolve_path
from tests import kills

SETTINGS = (
    "sft.epochs=1",
    "sft.save_every=1",
    "align.save_every=1",
    "align.epochs=2",
    "feedback.queries=24",
    "rounds=1",
    "evaluate.limit=10",
)
COMPARED = ("round-1/feedback/pairs.jsonl", "round-1/feedback/graded.jsonl", "round-1/align/adapter_model.safetensors")
PATIENCE_S = 240


def command(folder: Path) -> list[str]:
    data = folder.parent / "train.jsonl"
    if not data.is_file():
        rows = resolve_path("cowest.lab:assets/train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        data.write_text("".join(rows[:128]), encoding="utf-8")
    overrides = (f"run={folder}", f"task.train={data}", *SETTINGS)
    return [sys.executable, "-m", "cowest", "run", "cowest.lab:recipe.yaml", *overrides]


def finish(folder: Path) -> dict[str, bytes]:
    done = subprocess.run(command(folder), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    answers = [(row["id"], row["output"]) for row in runs.read_jsonl(folder / "evaluate/predictions/collaborate.jsonl")]
    return {name: (folder / name).read_bytes() for name in COMPARED} | {"answers": json.dumps(answers).encode()}


def kill_when(folder: Path, moment: Callable[[], bool]) -> bool:
    """Starts the run and kills it at the moment; whether it was still running then."""
    process = subprocess.Popen(command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and not moment():
        assert time.monotonic() < deadline, "the moment never came"
        os.sched_yield()
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return process.returncode == -signal.SIGKILL


def num_calls(folder: Path) -> int:
    try:
        with sqlite3.connect(f"file:{folder / 'ledger.sqlite'}?mode=ro", uri=True) as ledger:
            return int(ledger.execute("SELECT COUNT(*) FROM calls WHERE response IS NOT NULL").fetchone()[0])
    except sqlite3.Error:
        return 0


def survive(folder: Path, num_kills: int, num_examples: int, calls_a_life: int) -> dict[str, float]:
    """Runs feedback, killed at random moments, over and over until `num_kills` are reached; checks each and counts."""
    with kills.endpoint() as serving:
        kills.gather(serving.port, folder / "whole", num_examples)
        once = dict(serving.num_paid)
        assert set(once.values()) == {1}
        totals = {"kills": 0, "runs": 0, "open_at_kills": 0, "most_open_at_a_kill": 0, "paid_again": 0}
        while totals["kills"] < num_kills:
            serving.num_paid.clear()
            run = folder / f"run-{totals['runs']}"
            deaths = kills.kill_until_done(serving, run, num_examples, calls_a_life, seed=totals["runs"])
            for name in kills.COMPARED:
                assert (run / name).read_bytes() == (folder / "whole" / name).read_bytes(), name
            assert {**summary(run), "wall_s": 0} == {**summary(folder / "whole"), "wall_s": 0}
            assert set(serving.num_paid) == set(once)
            for key, num_paid in serving.num_paid.items():
                assert num_paid - 1 <= deaths.open_at_kills[key]
            totals["kills"] += deaths.num_kills
            totals["runs"] += 1
            totals["open_at_kills"] += deaths.open_at_kills.total()
            totals["most_open_at_a_kill"] = max(totals["most_open_at_a_kill"], deaths.largest_open)
            totals["paid_again"] += serving.num_paid.total() - len(once)
    return totals


def summary(out: Path) -> dict[str, object]:
    return dict(runs.read_json(out / "summary.json"))


def test_feedback_killed_pays_again_only_what_was_in_flight(tmp_path: Path) -> None:
    found = survive(tmp_path, num_kills=5, num_examples=12, calls_a_life=50)
    assert found["paid_again"] <= found["open_at_kills"]
    assert 0 < found["most_open_at_a_kill"] <= kills.NUM_IN_FLIGHT * kills.SAMPLES


def test_explanations_killed_are_the_same_and_pay_again_only_what_was_in_flight(tmp_path: Path) -> None:
    with kills.endpoint() as serving:
        kills.explain_sums(serving.port, tmp_path / "whole", 40)
        once = dict(serving.num_paid)
        assert (set(once.values()), len(once)) == ({1}, 80)
        serving.num_paid.clear()
        deaths = kills.kill_until_done(serving, tmp_path / "run", 40, 30, seed=0, work=kills.explain_sums)
        assert deaths.num_kills >= 2
        assert set(serving.num_paid) == set(once)
        for key, num_paid in serving.num_paid.items():
            assert num_paid - 1 <= deaths.open_at_kills[key]
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert (run / "explanations.jsonl").read_bytes() == (whole / "explanations.jsonl").read_bytes()
    assert {**summary(run), "wall_s": 0} == {**summary(whole), "wall_s": 0}
    assert 0 < len([row for row in runs.read_jsonl(run / "explanations.jsonl") if row["outcome"] == "kept"]) < 40


@pytest.mark.slow
def test_feedback_killed_a_hundred_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = survive(tmp_path, num_kills=100, num_examples=40, calls_a_life=80)
    with capsys.disabled():
        print(f"\n{found}")
    assert found["paid_again"] <= found["open_at_kills"]


@pytest.mark.slow
def test_killed_in_every_stage(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    whole, run = tmp_path / "whole", tmp_path / "run"
    expected = finish(whole)
    moments: list[Callable[[], bool]] = [
        lambda: any(run.glob("sft/checkpoints/checkpoint-2*")),
        lambda: num_calls(run) > 60,
        lambda: any(run.glob("round-1/align/checkpoints/checkpoint-1*")),
    ]
    killed = [kill_when(run, moment) for moment in moments]
    assert killed == [True, True, True]
    assert finish(run) == expected
    assert num_calls(run) == num_calls(whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_random_moments(tmp_path: Path, seed: int) -> None:
    pytest.importorskip("torch")
    started = time.monotonic()
    expected = finish(tmp_path / "whole")
    took_s = time.monotonic() - started
    for number in range(4):
        moment = time.monotonic() + random.Random(f"{seed} {number}").uniform(0.1, 0.9) * took_s
        kill_when(tmp_path / "run", lambda moment=moment: time.monotonic() >= moment)  # type: ignore[misc]
    assert finish(tmp_path / "run") == expected
