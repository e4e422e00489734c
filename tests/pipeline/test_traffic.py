"""Recorded traffic as the queries of a round: an answer is not needed, and the rules of the record hold."""

import datetime
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from cowest.errors import EndpointError, InputError
from cowest.pipeline import Pipeline, traffic
from cowest.planning import make_plan
from cowest.recipe import make_recipe
from cowest.serving.answering import Reply
from cowest.serving.conversation import Call, Conversation
from cowest.serving.record import TrafficRecord
from cowest.types import ChatRequest
from tests.recipes import paid_calls, recipe_of
from tests.worlds import chance, strong_reply

TODAY = datetime.date(2026, 11, 22)
MODULE = "scripted/tests.pipeline.test_traffic"


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "today", lambda: TODAY)


def comparing(request: ChatRequest) -> str:
    return "1" if chance("traffic", request.messages[0].content) < 0.6 else "2"


def ask(folder: Path, days_ago: int, *questions: str, earlier: str | None = None) -> None:
    """Records questions as a server does on that day."""
    day = TODAY - datetime.timedelta(days=days_ago)
    record = TrafficRecord(folder, 1000, today=lambda: day)
    for number, question in enumerate(questions):
        turns = [{"role": "user", "content": earlier}] if earlier else []
        conversation = Conversation([*turns, {"role": "user", "content": question}])
        call = Call("pair", "both", conversation, {}, stream=False, wants_draft=False)
        record.add(call, Reply(id=f"chatcmpl-{days_ago}-{number}", text="Answer: 7"))


def recipe(folder: Path, **changes: Any) -> dict[str, Any]:
    settings = {"judge": {"model": f"{MODULE}:comparing", "reference": "none"}, "serve": {"record": {"keep_days": 5}}}
    feedback = {"queries": 6, "samples": 4, "queries_from": str(folder / "traffic")}
    task = {"name": "tests.worlds:Sums", "train": "3", "test": "5", "overlap": "keep"}
    return recipe_of(folder / "run", **({"feedback": feedback, "task": task} | settings | changes))


def sums_asked(first: int, last: int) -> list[str]:
    return [f"What is {number} plus {number + 1}?" for number in range(first, last)]


def gather(made: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    said: list[str] = []
    with Pipeline(make_recipe(made), say=said.append) as pipeline:
        pipeline.feedback(1)
    file = Path(made["run"]) / "round-1/feedback/graded.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()], said


def test_recorded_queries_become_the_next_round_by_the_rules_of_the_record(tmp_path: Path) -> None:
    ask(tmp_path / "traffic", 6, *sums_asked(50, 60))  # older than may be kept
    ask(tmp_path / "traffic", 5, *sums_asked(10, 12))
    ask(tmp_path / "traffic", 0, *sums_asked(11, 14), *sums_asked(3, 5))  # one again, and two that test asks
    ask(tmp_path / "traffic", 0, "What is 20 plus 21?", earlier="Hello.")
    (tmp_path / "traffic/notes.jsonl").write_text("{}\n")
    made = recipe(tmp_path)
    plan = make_plan(Pipeline(make_recipe(made)))
    assert (plan.num_train, plan.num_queries) == (3, 5)
    rows, said = gather(made)
    assert {row["query"] for row in rows} == {*sums_asked(10, 14), "user: Hello.\n\nWhat is 20 plus 21?"}
    assert {row["fields"]["recorded"] for row in rows} == {"2026-11-17", "2026-11-22"}
    assert all(row["reference"] == [] for row in rows)
    for part in (
        "1 file left out, of days before 2026-11-17",
        "1 row left out, repeating",
        "2 rows left out, asked by",
    ):
        assert any(part in line for line in said), part
    for name in ("queries.jsonl", "graded.jsonl", "pairs.jsonl"):
        assert stat.S_IMODE((tmp_path / "run/round-1/feedback" / name).stat().st_mode) == 0o600
    assert (tmp_path / "run/round-1/feedback/pairs.jsonl").stat().st_size


def test_a_round_that_was_stopped_goes_on_with_its_own_queries_while_traffic_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(tmp_path / "traffic", 1, *sums_asked(10, 22))
    made = recipe(tmp_path, strong={"model": f"{MODULE}:stopping"})
    whole, _ = gather(made | {"run": str(tmp_path / "whole")})
    stopping.left = 7  # type: ignore[attr-defined]
    with pytest.raises(EndpointError):
        gather(made)
    stopping.left = None  # type: ignore[attr-defined]
    ask(tmp_path / "traffic", 0, *sums_asked(30, 40))
    assert gather(made)[0] == whole
    assert paid_calls(tmp_path / "run") == paid_calls(tmp_path / "whole")
    # Once the queries are too old, a finished round stays as it is, and an unfinished one sends them no more.
    monkeypatch.setattr(traffic, "today", lambda: TODAY + datetime.timedelta(days=30))
    assert gather(made)[0] == whole
    (tmp_path / "run/round-1/feedback/summary.json").unlink()
    with pytest.raises(InputError, match="keep_days"):
        gather(made)


def stopping(request: ChatRequest) -> str:
    if stopping.left is not None:  # type: ignore[attr-defined]
        stopping.left -= 1  # type: ignore[attr-defined]
        if stopping.left < 0:  # type: ignore[attr-defined]
            raise EndpointError("the endpoint is gone")
    return strong_reply(request)


stopping.left = None  # type: ignore[attr-defined]


def test_traffic_that_cannot_be_used_is_refused_with_what_to_do(tmp_path: Path) -> None:
    def refused(match: str, **changes: Any) -> None:
        with pytest.raises(InputError, match=match):
            Pipeline(make_recipe(recipe(tmp_path, **changes))).context.data.feedback()

    refused("does not exist")
    refused("Did you mean 'train'", feedback={"queries_from": "trian"})
    ask(tmp_path / "traffic", 9, "What is 10 plus 11?")
    refused("no query to learn from")
    ask(tmp_path / "traffic", 0, "What is 10 plus 11?")
    refused("1 of the 1 recorded queries.*reference: none", judge="strong")
    (tmp_path / "traffic/2026-11-21.jsonl").write_text('{"question": null}\n')
    refused("line 1, field 'question'")


def test_answers_that_were_filled_in_serve_a_judge_that_needs_them(tmp_path: Path) -> None:
    file = tmp_path / "labelled.jsonl"
    file.write_text(json.dumps({"question": "What is 30 plus 31?", "context": "", "answer": "61"}) + "\n")
    settings = {"queries": 5, "samples": 2, "queries_from": str(file)}
    rows, _ = gather(recipe(tmp_path, judge={"name": "answer_match"}, feedback=settings))
    assert [(row["query"], row["reference"]) for row in rows] == [("What is 30 plus 31?", ["61"])]
    assert rows[0]["solo_verdict"]["score"] in (1, 10)
