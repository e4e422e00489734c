"""Feedback as a stage: its files, its counts, and going on after a stop without paying twice."""

import itertools
import json
import os
import stat
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowest import preferences, progress
from cowest.errors import CompletionError, EndpointError, InputError
from cowest.judge import ModelJudge
from cowest.models.providers.scripted import ScriptedModel
from cowest.records import NullControl, NullSample
from cowest.runs import GRADED_SO_FAR
from cowest.stages._annotation import MAX_FAILURES_BEFORE_SUCCESS
from cowest.stages._diagnostics import NullControlRates, concordance
from cowest.stages.feedback import feedback
from cowest.stages.queries import draw
from cowest.types import ChatRequest, Completion, Draft, GradedDraft, GradedExample, PreferencePair, Verdict
from tests.noisy_world import NoisyWorld
from tests.worlds import Parity, ScoreBy, Sums, chance, coin_reply, even_reply, gamble, gambler, right_or_wrong, sums

EXAMPLES = sums(30)


def gather(out: Path, **changes: Any) -> list[PreferencePair]:
    given_settings: dict[str, Any] = {
        "weak": gambler("weak", 0.4),
        "strong": gambler("strong", 0.5),
        "judge": ScoreBy(right_or_wrong),
        "skip_settled": False,
    }
    return feedback(EXAMPLES, out=out, **(given_settings | changes))


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
    assert found["calls_saved"] == {"solo_perfect": 0, "settled": 0, "identical_judge_calls": 0}


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


def test_what_is_graded_can_be_seen_while_the_stage_goes_on(tmp_path: Path) -> None:
    seen: list[int] = []

    def reply(request: ChatRequest) -> str:
        so_far = tmp_path / GRADED_SO_FAR
        seen.append(len(rows(so_far)) if so_far.exists() else 0)
        return "Answer: 3"

    (tmp_path / GRADED_SO_FAR).write_text('{"left by": "an earlier call"}\n' * 99)
    gather(tmp_path, strong=ScriptedModel(reply), num_in_flight=1)
    assert list(dict.fromkeys(seen)) == [99, *range(1, 30)]
    assert not (tmp_path / GRADED_SO_FAR).exists()
    assert len(rows(tmp_path / "graded.jsonl")) == 30


def test_what_is_graded_so_far_is_for_the_user_alone_and_written_through_no_link(tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.write_text("theirs")
    so_far = tmp_path / "out" / GRADED_SO_FAR
    so_far.parent.mkdir()
    so_far.symlink_to(others)
    modes: list[str] = []

    def reply(request: ChatRequest) -> str:
        modes.append(stat.filemode(so_far.lstat().st_mode))
        return "Answer: 3"

    before = os.umask(0o022)
    try:
        gather(tmp_path / "out", strong=ScriptedModel(reply), num_in_flight=1)
    finally:
        os.umask(before)
    assert list(dict.fromkeys(modes)) == ["lrwxrwxrwx", "-rw-------"]
    assert others.read_text() == "theirs"


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


def test_a_round_of_nothing_but_failures_is_not_finished_and_can_go_on(tmp_path: Path) -> None:
    refusing = ScriptedModel(lambda _: CompletionError("no such setting"), name="strong", identity="strong")
    with pytest.raises(EndpointError, match=r"All 30 examples failed.*no such setting"):
        gather(tmp_path, strong=refusing)
    assert len(rows(tmp_path / "failures.jsonl")) == 30
    assert not (tmp_path / "summary.json").is_file()
    assert gather(tmp_path)
    assert rows(tmp_path / "failures.jsonl") == []


def test_a_draft_that_cannot_be_had_is_unscored(tmp_path: Path) -> None:
    def weak_reply(request: ChatRequest) -> str | Exception:
        return CompletionError("refused") if request.sample_index == 1 else "Answer: 1"

    gather(tmp_path, weak=ScriptedModel(weak_reply))
    assert rows(tmp_path / "failures.jsonl") == []
    for row in rows(tmp_path / "graded.jsonl"):
        assert [draft["gain"] is None for draft in row["drafts"]] == [False, True, False, False, False]
        assert row["drafts"][1]["verdict"]["unscored_reason"] == "refused"
    assert summary(tmp_path)["num_unscored"] == 30


@settings(max_examples=12, deadline=None)
@given(world=st.integers(0, 10_000), samples=st.integers(1, 6), saturated=st.sampled_from([0.0, 0.5]))
def test_the_rules_change_no_byte_of_the_pairs(world: int, samples: int, saturated: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for skip in (True, False):
            out, noisy = Path(folder, str(skip)), NoisyWorld(world, saturated)
            with progress.quietly():
                feedback(
                    EXAMPLES[:8], weak=noisy.weak, strong=noisy.strong, out=out, samples=samples, skip_settled=skip
                )
            found.append(((out / "pairs.jsonl").read_bytes(), len(noisy.weak.requests) + len(noisy.strong.requests)))
    (pairs_skipped, calls_skipped), (pairs_whole, calls_whole) = found
    assert pairs_skipped == pairs_whole
    assert calls_skipped <= calls_whole


def test_the_null_control_costs_its_calls_and_changes_nothing_else(tmp_path: Path) -> None:
    strong = {name: gambler("strong", 0.5) for name in ("without", "with")}
    for name, count in (("without", 0), ("with", 12)):
        gather(tmp_path / name, strong=strong[name], null_control=count)
    for name in ("pairs.jsonl", "graded.jsonl"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()
    before = Counter(request.model_dump_json() for request in strong["without"].requests)
    extra = Counter(request.model_dump_json() for request in strong["with"].requests) - before
    nulls = rows(tmp_path / "with/null_control.jsonl")
    assert sum(extra.values()) == len(nulls) > 0
    assert {json.loads(request)["sample_index"] for request in extra} == {1}
    assert not (tmp_path / "without/null_control.jsonl").exists()
    assert "null_control" not in summary(tmp_path / "without")


def test_the_null_control_is_compared_on_the_same_examples(tmp_path: Path) -> None:
    """Drafts that are always right beside a strong model that is right half the time."""
    gather(tmp_path / "good", null_control=30, weak=gambler("weak", 1.0), strong=ScriptedModel(_follows_the_draft))
    good = summary(tmp_path / "good")["null_control"]
    graded = {row["example_id"]: row for row in rows(tmp_path / "good/graded.jsonl")}
    nulls = {row["example_id"]: row for row in rows(tmp_path / "good/null_control.jsonl")}
    assert (good["num_examples"], good["num_left_out"]) == (30, 0)
    wrong_alone = {name for name, row in graded.items() if row["solo_verdict"]["score"] == 1}
    assert set(nulls) == wrong_alone  # a z of 10 cannot be beaten, so nothing was asked
    assert good["real_positive_rate"]["value"] == pytest.approx(len(wrong_alone) / 30)
    null_positive = sum(row["verdict"]["score"] == 10 for row in nulls.values())
    assert good["positive_rate"]["value"] == pytest.approx(null_positive / 30)
    assert good["difference"]["value"] == pytest.approx((len(wrong_alone) - null_positive) / 30)
    low, high = good["positive_rate"]["ci95"]
    assert low < good["positive_rate"]["value"] < high


def _follows_the_draft(request: ChatRequest) -> str:
    text = request.messages[-1].content
    if "Answer:" in text and "weak" in text:
        return text[text.index("Explanation: weak") :].split("\n\n")[0]
    return gamble("strong", 0.5, request)


def graded_example(name: str, solo: int, scores: list[int | None]) -> GradedExample:
    def verdict(score: int | None) -> Verdict:
        return Verdict(unscored_reason="x") if score is None else Verdict(score=score)

    drafts = tuple(
        GradedDraft(
            draft=Draft(text=f"d{index}", sample_index=index),
            refined=f"Answer: {score}",
            verdict=verdict(score),
            gain=preferences.gain(verdict(score), verdict(solo)),
        )
        for index, score in enumerate(scores)
    )
    return GradedExample(
        example_id=name, query="q", solo="Answer: none", solo_verdict=verdict(solo), drafts=drafts, skipped=None
    )


def test_the_null_control_counts_only_drafts_that_are_always_made() -> None:
    graded = [
        graded_example("a", 3, [9, 9, 1, 1]),  # settled after four
        graded_example("b", 3, [1, 1, 1, 1, 9]),  # the fifth is there only because the four were one-sided
        graded_example("c", 10, []),
        graded_example("d", 3, [None, None, None, None, 9]),  # none of the first four says anything
        graded_example("e", 3, [9, None, None, 9]),  # z' is unscored
    ]
    scores = {"a": 9, "b": 3, "d": 9, "e": None}
    nulls = [
        NullSample(
            example_id=name, text="", verdict=Verdict(score=score) if score else Verdict(unscored_reason="refused")
        )
        for name, score in scores.items()
    ]
    by_id = {null.example_id: null for null in nulls}

    def null_control(controlled: set[str]) -> NullControl:
        rates = NullControlRates(controlled, samples=5)
        for example in graded:
            rates.add(example, by_id.get(example.example_id))
        return rates.result()

    found = null_control({"a", "b", "c", "d", "e", "failed"})
    assert (found.num_examples, found.num_left_out) == (3, 3)
    assert found.real_positive_rate.value == pytest.approx((0.5 + 0 + 0) / 3)
    assert found.positive_rate.value == pytest.approx(1 / 3)
    nothing = null_control({"failed"})
    assert nothing == NullControl(num_examples=0, num_left_out=1)


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(st.sampled_from([0.0, 0.25, 1.0]), st.integers(1, 10)), min_size=1, max_size=25))
def test_concordance_is_the_share_of_pairs_ordered_alike(pairs: list[tuple[float, int]]) -> None:
    told_apart = [(a, b) for a, b in itertools.combinations(pairs, 2) if a[0] != b[0]]
    alike = sum(0.5 if a[1] == b[1] else float((a[0] < b[0]) == (a[1] < b[1])) for a, b in told_apart)
    found = concordance([truth for truth, _ in pairs], [score for _, score in pairs])
    assert found == (pytest.approx(alike / len(told_apart)) if told_apart else None)


def test_agreement_of_judge_and_metric(tmp_path: Path) -> None:
    task = Sums(train="30")
    gather(tmp_path / "right", task=task)
    found = summary(tmp_path / "right")["judge_agreement"]
    assert found["metric"] == "accuracy"
    assert (found["num_outputs"], found["concordance"]) == (180, 1.0)
    by_verdict = found["calibration"]
    assert [each["value"] for each in by_verdict] == [0.0, 1.0]
    # Nothing varies, and with at most 30 queries that is not certain: Wilson's limits for none and for all of 30.
    (_, wrong_high), (right_low, _) = (each["ci95"] for each in by_verdict)
    assert 0.1 < wrong_high < 0.5 < right_low < 0.9
    assert (by_verdict[0]["ci95"][0], by_verdict[1]["ci95"][1]) == (0.0, 1.0)
    assert sum(each["num_outputs"] for each in by_verdict) == 180
    assert by_verdict[0]["verdict"] < by_verdict[1]["verdict"]
    wrong = ScoreBy(lambda example, output: 11 - right_or_wrong(example, output))
    feedback(task.train, weak=gambler("weak", 0.4), strong=gambler("strong", 0.5), judge=wrong, out=tmp_path / "wrong")
    assert summary(tmp_path / "wrong")["judge_agreement"]["concordance"] == pytest.approx(0.0, abs=1e-9)
    blind = ScoreBy(lambda *_: 5)
    gather(tmp_path / "blind", judge=blind, task=task)
    (only,) = summary(tmp_path / "blind")["judge_agreement"]["calibration"]
    assert only["verdict"] == 5
    assert only["ci95"][0] < only["value"] < only["ci95"][1]
    by_length = ScoreBy(lambda _, output: min(10, len(output) - 30))
    gather(tmp_path / "length", judge=by_length, task=task)
    assert summary(tmp_path / "length")["judge_agreement"]["length_correlation"] == pytest.approx(1.0)
    gather(tmp_path / "unknown")
    assert summary(tmp_path / "unknown")["judge_agreement"] is None


def test_outputs_without_an_answer_are_counted_where_the_task_is_known(tmp_path: Path) -> None:
    def sometimes(odds: float) -> ScriptedModel:
        def reply(request: ChatRequest) -> str:
            silent = chance(request.messages[-1].content, request.sample_index) < odds
            return "I cannot tell. It is hard to say." if silent else gamble("some", 0.4, request)

        return ScriptedModel(reply)

    gather(tmp_path / "task", weak=sometimes(0.3), strong=sometimes(0.2), task=Sums(train="30"))
    found = summary(tmp_path / "task")
    graded = rows(tmp_path / "task" / "graded.jsonl")
    drafts = [draft for row in graded for draft in row["drafts"]]
    assert found["num_unparsed_solo"] == sum("hard" in row["solo"] for row in graded) > 0
    assert found["num_unparsed_drafts"] == sum("hard" in draft["draft"]["text"] for draft in drafts) > 0
    assert found["num_unparsed_refined"] == sum("hard" in draft["refined"] for draft in drafts) > 0
    gather(tmp_path / "no-task")
    assert "num_unparsed_solo" not in summary(tmp_path / "no-task")
    gather(tmp_path / "knowledge", task=Sums(train="30"), format="domain_knowledge")
    assert "num_unparsed_drafts" not in summary(tmp_path / "knowledge")


def test_labels_in_pairs_are_counted_where_answers_are_labels(tmp_path: Path) -> None:
    def unsure(request: ChatRequest) -> str:
        silent = chance("silent", request.messages[-1].content, request.sample_index) < 0.2
        return "I cannot tell." if silent else coin_reply(request)

    settings: dict[str, Any] = {"weak": ScriptedModel(unsure), "strong": ScriptedModel(even_reply)}
    task = Parity(train="40")
    pairs = feedback(
        task.train, judge=ScoreBy(right_or_wrong), out=tmp_path / "parity", skip_settled=False, max_pairs=3, **settings
    )
    found = summary(tmp_path / "parity")["pair_labels"]
    assert len(pairs) == 3
    whole = feedback(task.train, judge=ScoreBy(right_or_wrong), out=tmp_path / "whole", skip_settled=False, **settings)
    assert found == summary(tmp_path / "whole")["pair_labels"]
    said = [pair.rejected[-1].content for pair in whole]
    assert found["chosen"] == {"odd": len(whole)}
    assert found["rejected"] == {"even": said.count("Answer: even")}
    assert 0 < said.count("Answer: even") < len(whole)
    gather(tmp_path / "sums", task=Sums(train="30"))
    assert "pair_labels" not in summary(tmp_path / "sums")


def test_the_strong_model_judges_by_default(tmp_path: Path) -> None:
    def strong_reply(request: ChatRequest) -> str:
        return "7" if "REFERENCE" in request.messages[-1].content else "Answer: 3"

    gather(tmp_path, strong=ScriptedModel(strong_reply), judge=None)
    found = summary(tmp_path)
    # All six outputs of a query are equal and the judge's temperature is 0.
    assert found["calls"]["judge"] == 30
    assert found["calls_saved"]["identical_judge_calls"] == 150
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


def test_unknown_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sample"):
        gather(tmp_path, sample=3)


def test_a_setting_that_would_do_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"queries would do nothing here"):
        gather(tmp_path, queries=5)


def test_a_hopeless_stage_stops_before_everything_is_paid_for(tmp_path: Path) -> None:
    def refuse(request: ChatRequest) -> str:
        raise CompletionError("this setting is refused")

    judge = ModelJudge(ScriptedModel(refuse))
    strong = gambler("strong", 0.5)
    with pytest.raises(EndpointError, match=r"All 100 examples failed.*this setting is refused"):
        feedback(sums(1000), weak=gambler("weak", 0.5), strong=strong, judge=judge, out=tmp_path, num_in_flight=8)
    assert len(strong.requests) <= MAX_FAILURES_BEFORE_SUCCESS + 8
    assert not (tmp_path / "summary.json").exists()
