"""summary.json and the short files beside it: their keys."""

from cowest.records import Failure, FeedbackSummary, NullControl, NullSample
from cowest.types import Verdict
from tests.report.sample import agreement, control, summary

KEYS = [
    *("version", "kind", "num_examples", "num_pairs", "num_drafts", "num_positive", "num_negative", "num_unscored"),
    *("num_failed", "num_identical_drafts", "num_drafts_cut", "num_solo_perfect", "calls", "usage", "cost_usd"),
    *("calls_saved", "judge_agreement", "wall_s"),
]


def test_keys_of_the_file_and_of_what_is_left_out_where_there_is_none() -> None:
    assert sorted(FeedbackSummary().to_json()) == sorted(KEYS)
    assert FeedbackSummary().to_json()["judge_agreement"] is None
    whole = summary(null_control=control(0.1), judge_agreement=agreement(), num_ties=0).to_json()
    assert sorted(whole) == sorted([*KEYS, "null_control", "num_ties"])
    assert whole["num_ties"] == 0


def test_keys_of_the_null_control() -> None:
    assert NullControl(num_left_out=5).model_dump(mode="json") == {"num_examples": 0, "num_left_out": 5}
    assert control(0.1).model_dump(mode="json") == {
        "num_examples": 200,
        "num_left_out": 3,
        "positive_rate": {"value": 0.12, "ci95": [0.08, 0.17]},
        "real_positive_rate": {"value": 0.34, "ci95": [0.29, 0.39]},
        "difference": {"value": 0.22, "ci95": [0.1, 0.28], "p_value": 0.001},
    }


def test_keys_of_the_judges_agreement() -> None:
    shown = agreement().model_dump(mode="json")
    assert sorted(shown) == ["calibration", "concordance", "length_correlation", "metric", "num_outputs"]
    assert sorted(shown["calibration"][0]) == ["ci95", "num_outputs", "value", "verdict"]


def test_keys_of_rows() -> None:
    assert Failure(example_id="a", reason="b").model_dump(mode="json") == {"example_id": "a", "reason": "b"}
    assert NullSample(example_id="a", text="z'", verdict=Verdict(score=4)).model_dump(mode="json") == {
        "example_id": "a",
        "text": "z'",
        "verdict": {"score": 4, "unscored_reason": None},
    }
