"""`cowest view` as a process: its address, its end, and what it refuses."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from cowest.cli.main import main
from tests.viewer.sample import write_run


def test_it_prints_an_address_serves_it_and_ends_on_interrupt(tmp_path: Path) -> None:
    run = write_run(tmp_path / "ifqa", 3)
    command = [sys.executable, "-m", "cowest", "view", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with urlopen(f"{address}api/runs", timeout=30) as answer:
            assert json.load(answer)[0]["name"] == "ifqa"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", str(tmp_path / "nothing")]) == 2
    assert "no run folder" in capsys.readouterr().err
