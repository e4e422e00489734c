"""results.json: its keys, and what is asked of it."""

import pytest

from cowest.records import Comparison, EvaluationResults, Latency, MethodResult, Preparation
from cowest.types import Usage
from tests.report.sample import comparison, results, with_method

KEYS = ["version", "task", "metric", "num_examples", "num_groups", "seed", "methods", "comparisons", "wall_s"]
ROW = ["round", "metrics", "num_failed", "num_unparsed", "calls", "usage", "cost_usd", "latency_s"]


def test_keys_of_the_file_and_of_what_is_left_out_where_it_is_unknown() -> None:
    assert sorted(EvaluationResults().to_json()) == sorted(KEYS)
    found = results(note="Only a rehearsal.").to_json()
    assert sorted(found) == sorted([*KEYS, "oracle_gap_closed", "note"])


def test_keys_of_a_row() -> None:
    assert sorted(results().to_json()["methods"]["weak_only"]) == sorted(ROW)
    assert results().to_json()["methods"]["weak_only"] == {
        "round": None,
        "metrics": {
            "exact_match": {"value": 0.33, "ci95": [pytest.approx(0.285), pytest.approx(0.375)]},
            "f1": {"value": pytest.approx(0.36), "ci95": [pytest.approx(0.315), pytest.approx(0.4)]},
        },
        "num_failed": 0,
        "num_unparsed": 0,
        "calls": {"weak": 400},
        "usage": {"weak": {"prompt_tokens": 24000, "completion_tokens": 10000}},
        "cost_usd": 0.0,
        "latency_s": {"p50": 0.84, "p95": 2.31},
    }
    found = with_method("collaborate", confusion={"yes": {"no": 2}}, failed="no reply", preparation=Preparation())
    assert sorted(found.to_json()["methods"]["collaborate"]) == sorted([*ROW, "confusion", "failed", "preparation"])


def test_keys_of_a_comparison() -> None:
    keys = ["a", "b", "metric", "difference", "ci95", "p_value", "verdict"]
    assert sorted(Comparison(a="x", b="y", difference=0.1).model_dump(mode="json")) == sorted(keys)
    shown = comparison("weak_only", 0.25, (0.2, 0.3)).model_dump(mode="json")
    assert sorted(shown) == sorted([*keys, "help_rate", "harm_rate"])
    assert (shown["ci95"], shown["verdict"]) == ([0.2, 0.3], "better")
    assert "smallest_difference" in Comparison(a="x", b="y", difference=0.1, smallest_difference=0.2).model_dump()


def test_keys_of_a_preparation() -> None:
    assert sorted(Preparation().model_dump(mode="json")) == ["calls", "cost_usd", "usage"]
    counts = ["num_examples", "num_failed", "num_pairs", "num_queries", "num_to_explain", "num_used", "rounds"]
    whole = Preparation.model_validate(dict.fromkeys(counts, 2))
    assert sorted(whole.model_dump(mode="json")) == sorted(["calls", "cost_usd", "usage", *counts])
    nothing = Preparation(num_used=0).model_dump(mode="json")
    assert nothing["num_used"] == 0  # none is a number; only what is unknown is left out


def test_the_headline_metric_is_the_named_one_or_the_first() -> None:
    assert results().headline_metric == "exact_match"
    assert results(metric="").headline_metric == "exact_match"
    assert results(metric="f1").metric_names == ["f1", "exact_match"]
    assert EvaluationResults().headline_metric == ""
    assert EvaluationResults().metric_names == []


def test_a_comparison_is_found_whichever_way_round_it_stands() -> None:
    found = results().compare("strong_only", "collaborate")
    assert found is not None
    assert (found.a, found.b, found.difference, found.ci95) == ("strong_only", "collaborate", -0.415, (-0.47, -0.36))
    assert (found.help_rate, found.harm_rate) == (0.03, pytest.approx(0.445))
    assert found.turned() == results().compare("collaborate", "strong_only")
    assert results().compare("weak_only", "strong_only") is None
    other = comparison("weak_only", 0.1, (0.0, 0.2)).model_copy(update={"metric": "f1"})
    assert results(comparisons=[other]).compare("collaborate", "weak_only") is None


@pytest.mark.parametrize(
    ("ci95", "verdict"),
    [
        ((0.01, 0.2), "better"),
        ((-0.2, -0.01), "worse"),
        ((0.0, 0.2), "no difference shown"),
        ((-0.1, 0.0), "no difference shown"),
        (None, "no difference shown"),
    ],
)
def test_a_verdict_is_the_side_of_0_that_the_interval_is_on(ci95: tuple[float, float] | None, verdict: str) -> None:
    assert Comparison(a="x", b="y", difference=0.1, ci95=ci95).verdict == verdict


def test_a_verdict_never_disagrees_with_interval_and_p_value() -> None:
    # As a file of an earlier version may have it: the interval excludes 0, and the p-value is above .05.
    read = Comparison.model_validate(
        {"a": "x", "b": "y", "difference": 0.2, "ci95": [0.05, 0.4], "p_value": 0.125, "verdict": "better"}
    )
    assert read.verdict == "no difference shown"
    assert Comparison(a="x", b="y", difference=0.2, ci95=(0.05, 0.4), p_value=0.05).verdict == "better"
    assert read.model_copy(update={"p_value": 0.01}).turned().verdict == "worse"


def test_the_cost_of_a_query_is_unknown_where_a_price_or_the_number_is() -> None:
    assert results().cost_per_query("strong_only") == pytest.approx(0.41 / 400)
    assert results().cost_per_query("weak_only") == 0
    assert results().cost_per_query("nobody") is None
    assert with_method("strong_only", cost_usd=None).cost_per_query("strong_only") is None
    assert results(num_examples=0).cost_per_query("strong_only") is None


def test_the_pair_is_that_of_the_method_names() -> None:
    rounds = {f"collaborate_round_{number}": MethodResult() for number in (2, 10, 9)}
    assert results(methods=rounds).pair == "collaborate_round_10"


def test_a_row_is_made_of_little() -> None:
    row = MethodResult.model_validate(
        {"metrics": {"accuracy": {"value": 0.5}}, "usage": {"weak": {"prompt_tokens": 3}}}
    )
    assert row.metrics["accuracy"].ci95 is None
    assert row.usage == {"weak": Usage(prompt_tokens=3)}
    assert (row.latency_s, row.cost_usd) == (Latency(), None)
