"""`cowest serve` in a process of its own: it starts, answers, drains on SIGTERM, and refuses what it must."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from cowest.cli.main import main
from cowest.pipeline import Pipeline
from cowest.recipe import make_recipe
from cowest.serving.running import listen
from tests.endpoint import serving
from tests.serving.served import question
from tests.serving.upstream import StrongEndpoint


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    data = {
        "run": str(tmp_path / "pair"),
        "task": {"name": "tests.worlds:Sums"},
        "weak": {"model": "scripted/tests.worlds:weak_reply"},
        "strong": {"model": "scripted/tests.worlds:strong_reply"},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(data))
    return tmp_path / "recipe.yaml"


def start(recipe: Path, *overrides: str) -> tuple[subprocess.Popen[str], str]:
    line = [sys.executable, "-m", "cowest", "serve", str(recipe), "--port", "0", *overrides]
    environment = {name: value for name, value in os.environ.items() if name != "COWEST_API_KEY"}
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    said = process.stderr.readline()
    found = re.fullmatch(r"serving pair at (http://127\.0\.0\.1:\d+/v1)\n", said)
    assert found, said + process.stderr.read()
    return process, found[1]


def test_requests_in_work_are_answered_after_sigterm(recipe: Path) -> None:
    strong = StrongEndpoint(hold=threading.Event())
    with serving(strong.app()) as upstream:
        process, url = start(recipe, "strong.model=openai/big", f"strong.base_url={upstream.url}")
        answers: list[Any] = []
        asking = threading.Thread(
            target=lambda: answers.append(httpx2.post(f"{url}/chat/completions", json=question(), timeout=30))
        )
        asking.start()
        assert strong.arrived.wait(10)
        process.send_signal(signal.SIGTERM)
        while True:  # until new clients are no longer let in
            try:
                httpx2.get(url.replace("/v1", "/healthz"))
            except httpx2.HTTPError:
                break
        assert process.poll() is None
        assert strong.hold is not None
        strong.hold.set()
        asking.join(10)
        assert answers[0].status_code == 200
        assert process.wait(10) == 0
    assert not (recipe.parent / "pair").exists(), "serving writes nothing into the run"


def test_what_ask_and_the_server_send_is_the_same(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process, url = start(recipe)
    served = httpx2.post(f"{url}/chat/completions", json=question(), headers={"x-cowest-draft": "1"}).json()
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert main(["ask", str(recipe), question()["messages"][0]["content"], "--show-draft"]) == 0
    said = capsys.readouterr().out
    assert served["cowest"]["draft"] in said
    assert served["choices"][0]["message"]["content"] in said


def test_what_cannot_be_served_is_refused(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COWEST_API_KEY", raising=False)
    assert main(["serve", str(recipe), "--host", "0.0.0.0"]) == 2
    assert "COWEST_API_KEY" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", str(recipe), "--port", str(taken.getsockname()[1])]) == 2
    assert "cannot be listened at" in capsys.readouterr().err
    assert main(["serve", str(recipe), "--port", "700000"]) == 2
    assert main(["serve", str(recipe), "weak.model=local/nowhere"]) == 2
    assert "not there yet" in capsys.readouterr().err
    assert main(["serve", str(recipe), "serve.max_concurency=3"]) == 2
    assert "max_concurrency" in capsys.readouterr().err


def test_answers_do_not_wait_for_acknowledgements() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP, "asyncio turns Nagle's algorithm off only where TCP is named"


def test_batches_are_not_served(recipe: Path) -> None:
    data = yaml.safe_load(recipe.read_text())
    data["strong"] = {"model": "openai/big", "base_url": "http://127.0.0.1:9/v1", "batch": True}
    pair = Pipeline(make_recipe(data)).collaboration(kept=False)
    assert "Batched" not in json.dumps([type(model).__name__ for model in _stack(pair.strong)])


def test_a_weak_model_on_a_server_is_taken_as_it_is(recipe: Path) -> None:
    data = yaml.safe_load(recipe.read_text())
    data["weak"] = {"model": "openai/small", "base_url": "http://127.0.0.1:9/v1"}
    finished = recipe.parent / "pair/round-1/align/training.json"
    finished.parent.mkdir(parents=True)
    finished.write_text("{}")
    assert Pipeline(make_recipe(data)).collaboration(kept=False).weak.name == "openai/small"


def _stack(model: Any) -> list[Any]:
    return [model, *_stack(model.model)] if hasattr(model, "model") else [model]
