"""Feedback as a stage: its files, its counts, and going on after a stop without paying twice."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cowest.errors import CompletionError, EndpointError, InputError
from cowest.models.providers.scripted import ScriptedModel
from cowest.stages.feedback import FeedbackConfig, draw, feedback, hold_back
from cowest.types import ChatRequest, Completion, PreferencePair
from tests.worlds import ScoreBy, gambler, right_or_wrong, sums

EXAMPLES = sums(30)


def gather(out: Path, **changes: Any) -> list[PreferencePair]:
    settings: dict[str, Any] = {
        "weak": gambler("weak", 0.4),
        "strong": gambler("strong", 0.5),
        "judge": ScoreBy(right_or_wrong),
        "skip_settled": False,
    }
    return feedback(EXAMPLES, out=out, **(settings | changes))


def summary(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return loaded


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_files_and_counts_agree(tmp_path: Path) -> None:
    pairs = gather(tmp_path)
    found = summary(tmp_path)
    graded = rows(tmp_path / "graded.jsonl")
    assert [row["example_id"] for row in graded] == [example.id for example in EXAMPLES]
    drafts = [draft for row in graded for draft in row["drafts"]]
    assert found["num_examples"] == 30
    assert found["num_drafts"] == len(drafts) == 150
    assert found["num_positive"] == sum(draft["gain"] > 0 for draft in drafts)
    assert found["num_negative"] == sum(draft["gain"] <= 0 for draft in drafts)
    assert found["num_pairs"] == len(pairs) == len(rows(tmp_path / "pairs.jsonl")) > 0
    assert found["calls"] == {"weak": 150, "strong": 180}
    assert found["usage"]["strong"]["completion_tokens"] > 0
    assert found["cost_usd"] == 0.0
    assert found["calls_saved"] == {"solo_perfect": 0, "settled": 0}


def test_pairs_file_is_what_trl_reads(tmp_path: Path) -> None:
    gather(tmp_path)
    for row in rows(tmp_path / "pairs.jsonl"):
        assert [message["role"] for message in row["prompt"]] == ["user"]
        assert [message["role"] for message in row["chosen"]] == ["assistant"]
        assert row["chosen"] != row["rejected"]
        assert row["gain_chosen"] > 0 >= row["gain_rejected"]
        assert row["example_id"].startswith("sum-")


def test_savings_are_counted_and_change_no_pair(tmp_path: Path) -> None:
    gather(tmp_path / "all")
    gather(tmp_path / "skipped", skip_settled=True)
    assert (tmp_path / "all/pairs.jsonl").read_bytes() == (tmp_path / "skipped/pairs.jsonl").read_bytes()
    found = summary(tmp_path / "skipped")
    assert sum(found["calls_saved"].values()) == 150 + 180 - sum(found["calls"].values()) > 0


def test_the_number_in_flight_changes_nothing(tmp_path: Path) -> None:
    for number in (1, 7, 64):
        gather(tmp_path / str(number), num_in_flight=number)
    for name in ("pairs.jsonl", "graded.jsonl"):
        assert len({(tmp_path / str(number) / name).read_bytes() for number in (1, 7, 64)}) == 1


@pytest.mark.parametrize("stop_after", [1, 40, 120, 179])
def test_a_stop_pays_nothing_twice_and_gives_the_same_pairs(tmp_path: Path, stop_after: int) -> None:
    gather(tmp_path / "whole")
    strong = gambler("strong", 0.5)
    paid: Counter[str] = Counter()

    async def failing(request: ChatRequest) -> Completion:
        if sum(paid.values()) >= stop_after:
            raise EndpointError("the endpoint is gone")
        paid[request.model_dump_json()] += 1
        return await strong.complete(request)

    async def counting(request: ChatRequest) -> Completion:
        paid[request.model_dump_json()] += 1
        return await strong.complete(request)

    with pytest.raises(EndpointError, match="gone"):
        gather(tmp_path / "run", strong=ScriptedModel(failing, name=strong.name, identity=strong.identity))
    assert not (tmp_path / "run/pairs.jsonl").exists()
    gather(tmp_path / "run", strong=ScriptedModel(counting, name=strong.name, identity=strong.identity))
    assert set(paid.values()) == {1}
    for name in ("pairs.jsonl", "graded.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    whole, run = summary(tmp_path / "whole"), summary(tmp_path / "run")
    assert {**whole, "wall_s": 0} == {**run, "wall_s": 0}


def test_failures_are_kept_aside_with_their_reason(tmp_path: Path) -> None:
    def weak_reply(request: ChatRequest) -> str | Exception:
        return CompletionError("the draft was refused") if "What is 5 " in request.messages[-1].content else "Answer: 1"

    judge = ScoreBy(lambda example, output: None if example.id == "sum-7" else right_or_wrong(example, output))
    gather(tmp_path, weak=ScriptedModel(weak_reply), judge=judge)
    failures = {row["example_id"]: row["reason"] for row in rows(tmp_path / "failures.jsonl")}
    assert failures == {"sum-5": "the draft was refused", "sum-7": "z is unscored: scripted"}
    assert summary(tmp_path)["num_failed"] == 2
    assert {row["example_id"] for row in rows(tmp_path / "graded.jsonl")}.isdisjoint(failures)


def test_the_strong_model_judges_by_default(tmp_path: Path) -> None:
    def strong_reply(request: ChatRequest) -> str:
        return "7" if "REFERENCE" in request.messages[-1].content else "Answer: 3"

    gather(tmp_path, strong=ScriptedModel(strong_reply), judge=None)
    found = summary(tmp_path)
    assert found["calls"]["judge"] == 180
    assert found["num_positive"] == 0


def test_max_pairs_draws_by_the_seed(tmp_path: Path) -> None:
    whole = gather(tmp_path / "whole")
    some = gather(tmp_path / "some", max_pairs=5)
    again = gather(tmp_path / "again", max_pairs=5)
    other = gather(tmp_path / "other", max_pairs=5, seed=1)
    assert len(some) == 5
    assert some == again != other
    assert [pair for pair in whole if pair in some] == some


def test_queries_are_drawn_by_seed_and_round_in_the_order_of_the_data() -> None:
    first = draw(EXAMPLES, 10, seed=0, round_number=1)
    assert first == draw(EXAMPLES, 10, seed=0, round_number=1)
    assert first != draw(EXAMPLES, 10, seed=0, round_number=2)
    assert first == [example for example in EXAMPLES if example in first]
    assert draw(EXAMPLES, 99, seed=0) == EXAMPLES


def test_held_back_rows_are_disjoint_from_those_of_sft() -> None:
    for_sft, held_back = hold_back(EXAMPLES, FeedbackConfig(held_back_share=0.3), seed=0)
    assert len(held_back) == 9
    assert {e.id for e in for_sft} | {e.id for e in held_back} == {e.id for e in EXAMPLES}
    assert {e.id for e in for_sft}.isdisjoint(e.id for e in held_back)


def test_unknown_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sample"):
        gather(tmp_path, sample=3)


def test_a_setting_that_would_do_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"queries would do nothing here"):
        gather(tmp_path, queries=5)
