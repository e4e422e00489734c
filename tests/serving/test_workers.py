"""Several processes behind one port: they share limits and metrics, and none outlives the one that started them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import yaml
from prometheus_client.mmap_dict import MmapedDict

from cowest.cli.main import main
from cowest.recipe import load_recipe
from cowest.serving import shares
from tests.serving.served import question, until


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    data = {
        "run": str(tmp_path / "pair"),
        "task": {"name": "tests.worlds:Sums"},
        "weak": {"model": "scripted/tests.worlds:weak_reply"},
        "strong": {"model": "scripted/tests.worlds:strong_reply", "requests_per_minute": 100},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(data))
    return tmp_path / "recipe.yaml"


@pytest.fixture
def two_workers(recipe: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    line = [sys.executable, "-m", "cowest", "serve", str(recipe), "--port", "0", "--workers", "2"]
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    found = re.fullmatch(r"serving pair at (http://127\.0\.0\.1:\d+)/v1\n", process.stderr.readline())
    assert found
    try:
        yield process, found[1]
    finally:
        process.kill()
        process.wait()


def children(process: subprocess.Popen[str]) -> set[int]:
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return {int(word) for word in text.split()}


def metrics(pid: int) -> Path:
    """The folder in which the workers' metrics are added up."""
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return Path(next(each.partition("=")[2] for each in variables if each.startswith("PROMETHEUS_MULTIPROC_DIR=")))


def answered_by(pid: int) -> float:
    """Requests that one worker has answered."""
    file = metrics(pid) / f"counter_{pid}.db"
    values = MmapedDict.read_all_values_from_file(str(file)) if file.exists() else ()
    return sum(value for key, value, *_ in values if "cowest_requests_total" in key)


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def ask(url: str) -> int:
    return httpx2.post(f"{url}/v1/chat/completions", json=question(), timeout=30).status_code


def counted(url: str) -> float:
    lines = httpx2.get(f"{url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith('cowest_requests_total{model="pair"'))


def test_a_worker_that_dies_is_replaced_and_all_stop_together(two_workers: tuple[subprocess.Popen[str], str]) -> None:
    process, url = two_workers
    assert until(lambda: len(children(process)) == 2)
    assert [ask(url) for _ in range(6)] == [200] * 6
    assert until(lambda: counted(url) == 6), "whichever worker is asked counts the requests of both"
    first, second = sorted(children(process))
    in_flight = metrics(first) / f"gauge_livesum_{first}.db"
    assert until(lambda: ask(url) == 200 and answered_by(first) > 0), "both serve; one that dies before ends all"
    os.kill(first, signal.SIGKILL)
    assert until(lambda: len(children(process)) == 2 and first not in children(process))
    assert second in children(process)
    assert until(lambda: not in_flight.exists()), "what a worker that died had in flight is not counted for ever"
    assert ask(url) == 200
    workers = children(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert not any(map(alive, workers))


def test_ctrl_c_in_a_terminal_is_reported_once(two_workers: tuple[subprocess.Popen[str], str]) -> None:
    process, _ = two_workers
    assert until(lambda: len(children(process)) == 2)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    _, said = process.communicate(timeout=15)
    assert process.returncode == 130
    assert said.lower().count("interrupted") == 1


def test_no_worker_outlives_the_process_that_started_it(two_workers: tuple[subprocess.Popen[str], str]) -> None:
    process, _ = two_workers
    assert until(lambda: len(children(process)) == 2)
    workers = children(process)
    process.kill()
    process.wait()
    assert until(lambda: not any(map(alive, workers)))


def test_a_worker_that_cannot_start_ends_the_command(recipe: Path) -> None:
    # Each worker's share of the open files is too small, which the first process, which serves nothing, cannot see.
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (150, 150))"
    line = [
        sys.executable,
        "-c",
        f"{few}; from cowest.cli.main import start; start()",
        "serve",
        str(recipe),
        "--port",
        "0",
        "--workers",
        "2",
    ]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "may open 150 files" in done.stderr
    assert "A worker could not start (status 2)" in done.stderr


def test_what_several_processes_cannot_share_is_refused(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(recipe), "--workers", "0"]) == 2
    assert "must be 1 or more" in capsys.readouterr().err
    assert main(["serve", str(recipe), "--workers", "2", "strong.model=local/nowhere"]) == 2
    assert "strong.model 'local/nowhere' in each process" in capsys.readouterr().err


def test_each_worker_gets_its_share_of_every_limit(recipe: Path) -> None:
    overrides = shares(load_recipe(recipe, ["serve.max_concurrency=10", "strong.max_concurrency=7"]), 3)
    worker = load_recipe(recipe, ["serve.max_concurrency=10", "strong.max_concurrency=7", *overrides])
    assert worker.serve.max_concurrency == 4
    assert worker.strong.max_concurrency == 3
    assert 3 * worker.strong.requests_per_minute == pytest.approx(100)
    assert worker.weak.requests_per_minute is None
