"""Half a surrogate pair in a reply, a row, an id or a prompt stays in every file of a run, and costs nothing twice."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cowest import runs
from cowest.cli.main import main
from cowest.export.pairs import write_parquet
from cowest.ledger import Ledger
from cowest.pipeline import Pipeline
from cowest.recipe import make_recipe
from cowest.types import ChatRequest, Message
from tests.endpoint import Behaviour, serving
from tests.worlds import chance

HALF = "\ud83d"


def weak(request: ChatRequest) -> str:
    right = chance("weak", request.messages[-1].content.encode("utf-8", "replace"), request.sample_index) < 0.5
    return f"Explanation: {HALF} {request.sample_index}\nAnswer: {'yes' if right else 'no'}{HALF}"


def reply(body: Any) -> str:
    text = body["messages"][-1]["content"]
    text.encode()  # nothing that is sent has half a pair
    return f"Explanation: {HALF}\nAnswer: {'yes' if 'Answer: yes' in text else 'no'}{HALF}"


def recipe(folder: Path, url: str) -> dict[str, Any]:
    rows = [{"id": f"{HALF}{n}", "question": f"is {n} {HALF}?", "answer": f"yes{HALF}"} for n in range(6)]
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    templates = folder / "prompts"
    templates.mkdir(exist_ok=True)
    return {
        "run": str(folder / "run"),
        "task": {
            "name": "jsonl", "train": str(data), "test": str(data), "question": "question", "answer": "answer",
            "id": "id", "overlap": "keep",
        },
        "weak": {"model": "scripted/tests.test_half_pairs:weak"},
        "strong": {"model": "openai/m", "base_url": url},
        "judge": {"name": "answer_match"},
        "feedback": {"queries": 6},
    }  # fmt: skip


def test_a_run_keeps_it_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    with serving(Behaviour(reply=reply)) as served:
        num_calls = []
        for _ in range(2):
            with Pipeline(make_recipe(recipe(tmp_path, served.url)), say=lambda line: None) as pipeline:
                pipeline.feedback(1)
                pipeline.evaluate()
            num_calls.append(served.counts.calls)
            written = {path: path.read_bytes() for path in run.rglob("*.jsonl")}
            if len(num_calls) == 1:  # then everything is written again, from the ledger
                (run / "evaluate" / "results.json").unlink()
                (run / "round-1" / "feedback" / "summary.json").unlink()
                first = written
    assert num_calls[0] == num_calls[1] > 0
    assert written == first
    pairs = run / "round-1" / "feedback" / "pairs.jsonl"
    rows = list(runs.read_jsonl(pairs))
    assert rows
    assert all(HALF in row["example_id"] and HALF in row["chosen"][0]["content"] for row in rows)
    predictions = list(runs.read_jsonl(run / "evaluate" / "predictions" / "collaborate_served.jsonl"))
    assert all(HALF in row["id"] and HALF in row["query"] and row["answer"].endswith(HALF) for row in predictions)
    assert write_parquet(pairs, tmp_path / "pairs.parquet") == len(rows)
    assert "\ufffd" in pq.read_table(tmp_path / "pairs.parquet").to_pylist()[0]["chosen"][0]["content"]
    for arguments in ([], ["--json"]):
        assert main(["show", str(run), *arguments]) == 0
    capsys.readouterr()


async def test_a_call_in_flight_is_read_back(tmp_path: Path) -> None:
    request = ChatRequest(messages=(Message(role="user", content=HALF),))
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        await ledger.intend("k", "strong", "openai/m", request)
        asked: list[ChatRequest] = []

        def worst_usd(request: ChatRequest) -> float:
            asked.append(request)
            return 1.0

        ledger.bookings.book_earlier("strong", worst_usd)
        assert asked == [request]
