"""A real server: `transformers serve` on the lab's strong model, reached as any OpenAI-compatible endpoint is."""

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cowest
from cowest import runs
from cowest.errors import CowestError
from cowest.lab.judge import RubricJudge
from cowest.models import ModelConfig, load_model
from cowest.plugins import resolve_path
from cowest.prompts import Prompts
from cowest.types import ChatRequest, Sampling

for package in ("torch", "transformers", "fastapi", "uvicorn"):
    pytest.importorskip(package)

FOLDER = str(resolve_path("cowest.lab:assets/strong-a"))
PATIENCE_S = 120
TASK = cowest.task("cowest.lab.task:Formulary", train="cowest.lab:assets/train.jsonl")
PROMPTS = Prompts("cowest.lab:prompts")
SAMPLED = {"generation_config": json.dumps({"do_sample": True, "top_k": 0, "eos_token_id": 1, "pad_token_id": 0})}
"""docs/endpoints.md says why."""


def is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Path(sys.executable).with_name("transformers")
    log = tmp_path_factory.mktemp("serve") / "log"
    arguments = ["serve", FOLDER, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    with log.open("w") as output:
        process = subprocess.Popen([server, *arguments], stdout=output, stderr=output)
    deadline = time.monotonic() + PATIENCE_S
    while not is_up(f"http://127.0.0.1:{port}/health"):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/v1"
    process.terminate()
    process.wait(30)


def config(url: str, **changes: Any) -> ModelConfig:
    return ModelConfig(**{"model": f"openai/{FOLDER}", "base_url": url, "max_concurrency": 4, **changes})


def question(index: int, **sampling: Any) -> ChatRequest:
    example = TASK.train[index]
    messages = PROMPTS.render("solo_chain_of_thought", query=example.query)
    return ChatRequest(messages=messages, sampling=Sampling(**sampling))


def test_greedy_replies_are_those_of_the_same_weights_in_process(url: str) -> None:
    served = load_model(config(url), role="strong")
    local = load_model(ModelConfig(model=f"local/{FOLDER}", options={"dtype": "float32"}), role="strong")
    for index in range(3):
        request = question(index, temperature=0.0, max_tokens=80)
        over_http, in_process = (asyncio.run(model.complete(request)) for model in (served, local))
        assert over_http.text.strip() == in_process.text.strip()
        assert over_http.finish_reason == in_process.finish_reason == "stop"
        assert over_http.usage.prompt_tokens == in_process.usage.prompt_tokens > 0
        assert over_http.usage.completion_tokens > 0
        assert over_http.cost_usd is None


def test_a_cut_reply_says_so(url: str) -> None:
    cut = asyncio.run(load_model(config(url), role="strong").complete(question(0, max_tokens=3)))
    assert (cut.finish_reason, cut.usage.completion_tokens) == ("length", 3)


def test_samples_differ_once_the_server_is_told_to_sample(url: str) -> None:
    async def samples() -> set[str]:
        model = load_model(config(url, options=SAMPLED), role="strong")
        requests = [question(0, temperature=1.0, max_tokens=40)] * 6
        return {reply.text for reply in await asyncio.gather(*(model.complete(request) for request in requests))}

    assert len(asyncio.run(samples())) > 1


def test_the_server_knows_only_its_model(url: str) -> None:
    model = load_model(config(url, model="openai/another"), role="strong")
    with pytest.raises(CowestError, match="pinned"):
        asyncio.run(model.complete(question(0)))


def test_feedback_and_evaluation_with_the_served_strong_model(url: str, tmp_path: Path) -> None:
    setting: dict[str, Any] = {
        "weak": ModelConfig(model="local/cowest.lab:assets/weak"),
        "strong": config(url, options=SAMPLED),
        "prompts": PROMPTS,
        "weak_sampling": Sampling(temperature=1.0, top_p=0.9, max_tokens=64),
        "strong_sampling": Sampling(temperature=1.0, max_tokens=80),
    }
    cowest.feedback(TASK.train[:6], judge=RubricJudge(TASK), out=tmp_path, samples=2, skip_settled=False, **setting)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["num_examples"], summary["num_failed"], summary["num_drafts"]) == (6, 0, 12)
    assert summary["calls"]["strong"] == 6 + 12
    assert summary["usage"]["strong"]["completion_tokens"] > 0
    graded = list(runs.read_jsonl(tmp_path / "graded.jsonl"))
    assert all(row["solo"] and all(draft["refined"] for draft in row["drafts"]) for row in graded)
