"""bench.json: its keys, and its rows in the shape of an evaluation."""

import pytest
from pydantic import ValidationError

from cowest.records import BenchCell, BenchResults, BenchRow
from tests.report.sample import bench, changed

KEYS = [
    *(
        "version",
        "run",
        "task",
        "metric",
        "num_examples",
        "num_groups",
        "seed",
        "seeds",
        "rows",
        "sweeps",
        "unhelpful_share",
        "claims",
    ),
    "cells",
]
ROW = [
    *("round", "metrics", "num_failed", "num_unparsed", "calls", "usage", "cost_usd", "latency_s", "name", "state"),
    *("run", "method"),
]


def test_keys_of_the_file() -> None:
    assert sorted(BenchResults().to_json()) == sorted(KEYS)
    assert sorted(bench().to_json()) == sorted(KEYS)
    cell = {"run": "x", "reason": None, "wall_s": 2.5}
    assert bench(cells={"main": BenchCell(run="x", wall_s=2.5)}).to_json()["cells"] == {"main": cell}


def test_keys_of_rows_and_points() -> None:
    found = bench().to_json()
    assert sorted(found["rows"][0]) == sorted(ROW)
    assert sorted(found["rows"][-1]) == sorted([*ROW, "reason"])
    labels = {"formats": ["aligned", "format"], "pairs": ["pairs"], "models": ["row", "strong", "weak"], "rounds": []}
    labels["calls"] = ["paid_calls"]  # the first point is the pair before alignment
    for sweep, more in labels.items():
        assert sorted(found["sweeps"][sweep][0]) == sorted([*ROW, *more]), sweep
    assert sorted(found["sweeps"]["calls"][1]) == sorted([*ROW, "alignment", "paid_calls"])
    assert found["sweeps"]["pairs"][0]["pairs"] == 0
    assert found["sweeps"]["formats"][0]["aligned"] is False


def test_keys_of_claims_and_shares() -> None:
    found = bench().to_json()
    assert sorted(found["claims"][0]) == ["contrasts", "name", "note", "p_holm", "p_value", "statement", "verdict"]
    assert sorted(found["claims"][0]["contrasts"][0]) == [
        *("a", "b", "ci95", "difference", "metric", "p_value", "verdict")
    ]
    assert found["unhelpful_share"]["before"] == {"value": 0.61, "ci95": [0.55, 0.67], "num_examples": 200}


def test_rows_in_the_shape_of_an_evaluation_have_the_contrasts_with_each_model_alone() -> None:
    found = bench().as_results()
    assert list(found.methods) == ["weak_only", "strong_only", "collaborate_sft", "collaborate", "rlwf_collaborate"]
    assert [(each.a, each.b, each.verdict) for each in found.comparisons] == [
        ("collaborate", "weak_only", "better"),
        ("collaborate", "strong_only", "better"),
    ]
    assert (found.task, found.metric, found.num_examples, found.seed) == ("ifqa", "exact_match", 400, 0)
    assert found.cost_per_query("collaborate") == 0.001


def test_metric_names_and_points() -> None:
    assert bench().metric_names == ["exact_match", "f1"]
    assert BenchResults().metric_names == []
    assert len(bench().points()) == 4 + 3 + 8 + 3 + 6


def test_paid_calls_that_are_no_number_are_refused() -> None:
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(ValidationError, match="paid_calls"):
            BenchRow(name="x", paid_calls={"strong": wrong})


def test_a_contrast_turns_with_its_interval() -> None:
    (_, second), *_ = (claim.contrasts for claim in bench().claims)
    assert second.verdict == "better"
    assert changed(second, ci95=(-0.2, -0.1)).verdict == "worse"
    assert changed(second, ci95=None).verdict == "no difference shown"
