"""gate.json and the measured examples: their keys, and who answers under a policy."""

import pytest
from pydantic import ValidationError

from cowest.records import ArmOutcome, MeasuredExample, Policy
from tests.report.sample import gate

KEYS = [
    *("version", "task", "metric", "cost_unit", "arms", "target", "min_accuracy", "met", "policy", "validation"),
    *("test", "made_of", "made_for"),
]
SPLIT = ["num_examples", "num_failed", "num_without_confidence", "gate", "alone"]


def test_keys_of_the_file_and_of_what_is_left_out_where_it_is_unknown() -> None:
    assert sorted(gate(test=None).to_json()) == sorted(KEYS)
    assert sorted(gate(most_accurate=0.9, cheapest=0.0).to_json()) == sorted([*KEYS, "most_accurate", "cheapest"])
    assert gate(test=None).to_json()["test"] is None


def test_keys_of_its_parts() -> None:
    found = gate().to_json()
    assert found["target"] == {"min_accuracy": 0.9, "max_cost_usd": None}
    assert found["policy"] == {"cuts": [0.5], "arms": ["both", "draft"]}
    assert found["made_of"]["test"] == {"num_examples": 20, "sha256": "ab" * 32}
    assert sorted(found["validation"]) == sorted([*SPLIT, "cross_validated", "curve", "cross_validated_curve"])
    assert sorted(found["test"]) == sorted([*SPLIT, "difference_to_both"])
    assert found["test"]["difference_to_both"] == {
        "difference": -0.05,
        "ci95": [-0.1, 0.0],
        "p_value": 0.0625,
        "verdict": "no difference shown",
    }
    assert found["test"]["gate"] == {
        "accuracy": {"value": 0.85, "ci95": [pytest.approx(0.8), pytest.approx(0.9)]},
        "cost_per_query": 0.0022,
        "shares": {"draft": 0.5, "strong": 0.0, "both": 0.5},
    }
    assert sorted(found["validation"]["curve"][0]) == ["accuracy", "cost_per_query", "policy"]
    assert sorted(found["validation"]["cross_validated_curve"][0]) == ["accuracy", "cost_per_query"]


def test_keys_of_a_measured_example() -> None:
    outcome = ArmOutcome(score=1.0, cost_usd=None, strong_tokens=12)
    assert MeasuredExample(id="q1", confidence=-0.5, arms={"both": outcome}).model_dump(mode="json") == {
        "id": "q1",
        "confidence": -0.5,
        "arms": {"both": {"score": 1.0, "cost_usd": None, "strong_tokens": 12}},
        "arm": None,
        "error": None,
    }


def test_who_answers_by_confidence() -> None:
    policy = Policy(cuts=(-1.0, -0.25), arms=("strong", "both", "draft"))
    assert [policy.arm(each) for each in (-2.0, -1.0, -0.5, -0.25, 0.0, None)] == [
        *("strong", "both", "both", "draft", "draft"),
        "both",
    ]


@pytest.mark.parametrize("policy", [{"cuts": [0.5]}, {"cuts": [0.5, 0.5], "arms": ["both"] * 3}, {"arms": ["weak"]}])
def test_a_policy_that_is_none_is_refused(policy: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate(policy)
