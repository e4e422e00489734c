"""Evaluate as a stage: every method on the same examples, numbers that can be checked by hand."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cowest import statistics
from cowest.collaboration import Collaboration
from cowest.errors import CompletionError, EndpointError, InputError
from cowest.methods import make_methods
from cowest.models.providers.scripted import ScriptedModel
from cowest.records import EvaluationResults
from cowest.stages._results import summarise
from cowest.stages.evaluate import EvaluateConfig, evaluate, select
from cowest.tasks.base import Split
from cowest.types import ChatRequest, Completion, Example, Prediction, Usage
from tests.stages.sums_setting import TASK, setting
from tests.worlds import Parity, gambler


def names(*methods: str, num_rounds: int = 1) -> list[str]:
    return [method.name for method in make_methods(methods, setting(num_rounds))]


def test_the_rows_of_each_method() -> None:
    assert names("weak_only", "strong_only") == [
        "weak_only",
        "weak_only_base",
        "strong_only",
        "strong_only_direct",
    ]
    assert names("collaborate") == ["collaborate_sft", "collaborate"]
    assert names("collaborate", num_rounds=2) == [
        "collaborate_sft",
        "collaborate_round_1",
        "collaborate_round_2",
        "collaborate",
    ]
    assert names("oracle") == ["oracle"]


def test_results_and_predictions_follow_the_contract(tmp_path: Path) -> None:
    methods = make_methods(["weak_only", "strong_only", "collaborate", "oracle"], setting(2))
    results = evaluate(TASK.test, methods, out=tmp_path, seed=3)
    assert EvaluationResults.read(tmp_path / "results.json") == results
    assert (results.task, results.metric, results.num_examples, results.seed) == ("sums", "accuracy", 40, 3)
    assert results.methods["collaborate"].round == 2
    assert results.methods["collaborate_sft"].round == 0
    for name, row in results.methods.items():
        lines = [json.loads(line) for line in (tmp_path / f"predictions/{name}.jsonl").read_text().splitlines()]
        assert [line["id"] for line in lines] == [example.id for example in TASK.test]
        value = row.metrics["accuracy"].value
        assert value == pytest.approx(sum(line["correct"] for line in lines) / 40)
        assert row.metrics["accuracy"].ci95 is not None
        low, high = row.metrics["accuracy"].ci95
        assert low <= value <= high
        assert 0 <= row.latency_s.p50 <= row.latency_s.p95
    assert results.methods["collaborate"].calls == {"strong": 40, "weak": 40}
    assert results.methods["strong_only"].calls == {"strong": 40}
    assert results.methods["weak_only_base"].metrics["accuracy"].value == 0.0


class Tables(type(TASK)):  # type: ignore[misc]
    """Five sums to a table."""

    def read(self, location: str) -> Iterator[Example]:
        for index, example in enumerate(super().read(location)):
            yield example.model_copy(update={"group": f"table {index // 5}" if index < 35 else None})


def test_intervals_are_over_groups_where_there_are_any(tmp_path: Path) -> None:
    task = Tables(test="40")
    methods = make_methods(["weak_only", "strong_only", "collaborate"], setting(1))
    results = evaluate(task.test, methods, out=tmp_path)
    assert results.num_groups == 7 + 5
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["num_groups"] == 12
    assert {each["verdict"] for each in written["comparisons"]} <= {"better", "worse", "no difference shown"}
    rows = [json.loads(line) for line in (tmp_path / "predictions/strong_only.jsonl").read_text().splitlines()]
    assert [row.get("group") for row in rows] == [*(f"table {index // 5}" for index in range(35)), *[None] * 5]
    assert "group" not in rows[-1]
    scores, groups = [row["correct"] for row in rows], [row.get("group") for row in rows]
    over_groups = statistics.mean_interval(scores, groups)
    assert results.methods["strong_only"].metrics["accuracy"].ci95 == (over_groups.low, over_groups.high)
    alone = evaluate(TASK.test, methods)
    assert alone.num_groups is None
    assert alone.to_json()["num_groups"] is None
    assert alone.methods["strong_only"].metrics["accuracy"].ci95 != (over_groups.low, over_groups.high)


def test_a_difference_on_few_examples_is_not_called_better() -> None:
    # 4 against 0 of 20: the bootstrap's interval excluded 0, and McNemar's p-value was .125.
    def rows(name: str, right: int) -> list[Prediction]:
        return [
            Prediction(
                id=str(index), method=name, query="", reference=("1",), scores={"accuracy": float(index < right)}
            )
            for index in range(20)
        ]

    predictions = {"strong_only": rows("strong_only", 8), "collaborate": rows("collaborate", 12)}
    (found,) = summarise(predictions, dict.fromkeys(predictions), TASK, 0).comparisons
    assert (found.difference, found.verdict) == (pytest.approx(0.2), "no difference shown")
    assert found.ci95[0] <= 0 < found.p_value - 0.05
    assert found.smallest_difference is None  # rows that differ in 4 of 20 show nothing with a power of 80%


def test_comparisons_are_differences_of_the_same_examples() -> None:
    results = evaluate(TASK.test, make_methods(["weak_only", "strong_only", "collaborate"], setting(2)))
    values = {name: row.metrics["accuracy"].value for name, row in results.methods.items()}
    compared = {(row.a, row.b) for row in results.comparisons}
    assert {("collaborate", name) for name in values} - compared == {
        ("collaborate", "collaborate"),
        ("collaborate", "collaborate_round_2"),
    }
    for row in results.comparisons:
        assert row.difference == pytest.approx(values[row.a] - values[row.b])
        assert row.help_rate - row.harm_rate == pytest.approx(row.difference)
        assert row.ci95[0] <= row.difference <= row.ci95[1]
        assert 0 <= row.p_value <= 1


def test_the_python_face_takes_models_and_pairs() -> None:
    strong = gambler("strong", 0.5)
    results = evaluate(TASK.test, {"big": strong, "pair": Collaboration(gambler("weak", 0.5), strong)})
    assert list(results.methods) == ["big", "pair"]
    assert [(row.a, row.b) for row in results.comparisons] == [("pair", "big")]


def test_a_failed_call_is_a_failure_and_counts_as_wrong(tmp_path: Path) -> None:
    def reply(request: ChatRequest) -> str | Exception:
        failing = "What is 3 " in request.messages[-1].content
        return CompletionError("content filter") if failing else "Answer: 1"

    results = evaluate(TASK.test, {"strong": ScriptedModel(reply)}, out=tmp_path)
    assert results.methods["strong"].num_failed == 1
    assert results.methods["strong"].metrics["accuracy"].value == pytest.approx(1 / 40)
    rows = [json.loads(line) for line in (tmp_path / "predictions/strong.jsonl").read_text().splitlines()]
    assert [row["error"] for row in rows if row["error"]] == ["content filter"]


def test_a_draft_before_a_failed_call_is_counted(tmp_path: Path) -> None:
    def reply(cost_usd: float) -> Completion:
        return Completion(text="Answer: 1", finish_reason="stop", usage=Usage(completion_tokens=2), cost_usd=cost_usd)

    def refined(request: ChatRequest) -> Completion | Exception:
        return CompletionError("content filter") if "What is 3 " in request.messages[-1].content else reply(1.0)

    pair = Collaboration(ScriptedModel(lambda _: reply(0.25)), ScriptedModel(refined))
    row = evaluate(TASK.test, {"pair": pair}, out=tmp_path).methods["pair"]
    assert (row.num_failed, row.calls) == (1, {"strong": 39, "weak": 40})
    assert row.usage["weak"].completion_tokens == 80
    assert row.cost_usd == 40 * 0.25 + 39 * 1.0
    rows = [json.loads(line) for line in (tmp_path / "predictions/pair.jsonl").read_text().splitlines()]
    (failed,) = [row for row in rows if row["error"]]
    assert (failed["calls"], failed["cost_usd"]) == ({"weak": 1}, 0.25)


def test_a_method_whose_every_call_failed_has_no_score(tmp_path: Path) -> None:
    refusing = ScriptedModel(lambda _: CompletionError("no such setting"))
    with pytest.raises(EndpointError, match=r"every method failed \(strong\).*no such setting"):
        evaluate(TASK.test, {"strong": refusing}, out=tmp_path)
    assert not (tmp_path / "results.json").exists()
    results = evaluate(TASK.test, {"strong": refusing, "other": gambler("other", 0.5)}, out=tmp_path)
    assert results.methods["strong"].metrics == {}
    assert results.methods["strong"].failed == "no such setting"
    assert results.methods["other"].metrics["accuracy"].value > 0
    assert results.comparisons == []


def test_an_unparsable_answer_is_counted_not_guessed() -> None:
    results = evaluate(TASK.test, {"strong": ScriptedModel(lambda _: "I would rather not say.")})
    assert (results.methods["strong"].num_unparsed, results.methods["strong"].unparsed_share) == (40, 1.0)
    assert results.methods["strong"].metrics["accuracy"].value == 0.0


def test_an_answer_that_means_no_label_is_counted_as_none() -> None:
    results = evaluate(Parity(test="10").test, {"strong": ScriptedModel(lambda _: "Answer: a prime number")})
    assert results.methods["strong"].num_unparsed == 10


def test_a_reply_is_read_with_the_tasks_labels_in_view() -> None:
    results = evaluate(Parity(test="10").test, {"strong": ScriptedModel(lambda _: "Even, because two divides it.")})
    assert results.methods["strong"].num_unparsed == 0
    assert results.methods["strong"].metrics["accuracy"].value == 0.5


def test_what_cannot_be_evaluated_is_refused() -> None:
    with pytest.raises(InputError, match="score"):
        evaluate(list(TASK.test), {"strong": gambler("strong", 0.5)})
    with pytest.raises(InputError, match="at least one"):
        evaluate(TASK.test, {})
    with pytest.raises(InputError, match=r"Did you mean 'collaborate'"):
        names("colaborate")


def test_the_oracle_gap(tmp_path: Path) -> None:
    results = evaluate(
        Split(TASK, "test", list(TASK.test)),
        make_methods(["weak_only", "strong_only", "collaborate", "oracle"], setting()),
    )
    values = {name: row.metrics["accuracy"].value for name, row in results.methods.items()}
    singles = max(values[name] for name in ("weak_only", "weak_only_base", "strong_only", "strong_only_direct"))
    if values["oracle"] > singles:
        expected = (values["collaborate"] - singles) / (values["oracle"] - singles)
        assert results.oracle_gap_closed == pytest.approx(expected)
    else:
        assert results.oracle_gap_closed is None


def test_two_rows_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="same name"):
        evaluate(TASK.test, make_methods(["oracle", "oracle"], setting()))


def test_tasks_with_labels_get_macro_f1_and_a_confusion_table() -> None:
    def says(always: str) -> ScriptedModel:
        return ScriptedModel(lambda request: "Answer: odd" if "Is 3 " in request.messages[-1].content else always)

    task = Parity(test="10")
    results = evaluate(task.test, {"even": says("Answer: even"), "silent": says("no idea")})
    even = results.methods["even"]
    # even: P 5/9, R 1; odd: P 1, R 1/5.
    assert even.metrics["macro_f1"].value == pytest.approx((10 / 14 + 2 / 6) / 2)
    assert even.metrics["accuracy"].value == pytest.approx(0.6)
    assert even.metrics["macro_f1_published"] == even.metrics["macro_f1"]  # every answer names a label
    silent = results.methods["silent"].metrics
    assert silent["macro_f1_published"].value == pytest.approx(silent["macro_f1"].value * 2 / 3)
    assert even.confusion == {"even": {"even": 5}, "odd": {"even": 4, "odd": 1}}
    assert results.methods["silent"].confusion["even"] == {"(unparsed)": 5}
    assert results.methods["silent"].num_unparsed == 9
    assert results.to_json()["methods"]["silent"]["unparsed_share"] == 0.9
    assert [each.metric for each in results.comparisons] == ["accuracy", "macro_f1"]
    assert results.comparisons[1].difference == pytest.approx(0.0 + (0 + 2 / 6) / 2 - (10 / 14 + 2 / 6) / 2)


def test_a_drawn_sample_is_the_same_in_every_run_and_keeps_the_order() -> None:
    config = EvaluateConfig(sample=7, sample_seed=1)
    drawn = [example.id for example in select(TASK.test, config)]
    assert drawn == [example.id for example in select(TASK.test, config)]
    assert drawn == sorted(drawn, key=lambda id: int(id.removeprefix("sum-")))
    assert len(set(drawn)) == 7
    assert drawn != [example.id for example in select(TASK.test, EvaluateConfig(sample=7, sample_seed=2))]
    assert len(select(TASK.test, EvaluateConfig(sample=1000))) == 40
    assert [each.id for each in select(TASK.test, EvaluateConfig(sample=7, sample_seed=1, limit=2))] == drawn[:2]
