"""Ctrl-C while a local model generates, in a process of its own: it ends at the next token, with status 130."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from cowest.models.providers._local_batching import Gatherer, Job
from tests.models.conftest import make_model_folder
from tests.recipes import recipe_of

# Says when a number of tokens are decoded; they would go on to the end of a long context.
CHILD = """
import sys
from cowest.cli.main import start
from cowest.models.providers._local_decoding import Decoder
take, left = Decoder._take, [int(sys.argv.pop(1))]
def counted(self, row, token, logprob):
    take(self, row, token, logprob)
    left[0] -= 1
    if left[0] == 0:
        print("generating", flush=True)
Decoder._take = counted
start()
"""


@pytest.mark.parametrize("num_tokens", [1, 40])
def test_an_interrupt_ends_with_130_in_two_seconds(tmp_path: Path, num_tokens: int) -> None:
    model = make_model_folder(tmp_path / "model", context=8192)
    recipe = recipe_of(
        tmp_path / "run", strong={"model": f"local/{model}", "sampling": {"max_tokens": 8000}},
        evaluate={"methods": ["strong_only"]},
    )  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    command = [sys.executable, "-c", CHILD, str(num_tokens), "evaluate", str(tmp_path / "recipe.yaml")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "generating\n"
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert time.monotonic() - started < 2 or "finishing one step" in errors


def test_work_that_nobody_waits_for_ends_and_the_next_is_done() -> None:
    started = threading.Event()

    def work(jobs: Sequence[Job[int, int]]) -> None:
        started.set()
        while jobs[0].item == 0:
            if not any(job.result.is_wanted for job in jobs):
                raise RuntimeError("nobody waits")
        for job in jobs:
            job.result.set_result(job.item)

    gatherer = Gatherer(work, name="test")
    endless = gatherer.submit(0)
    assert started.wait(10)
    assert not endless.cancel()  # it has begun
    assert isinstance(endless.exception(10), RuntimeError)
    assert gatherer.submit(7).result(10) == 7
    gatherer.close()
