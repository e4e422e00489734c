"""The files of sft/explanations: their keys."""

from cowest.records import ExplainedExample, ExplanationSummary


def test_keys_of_the_summary() -> None:
    counts = ["num_examples", "num_made", "num_kept", "num_rejected", "num_stating", "num_failed"]
    assert list(ExplanationSummary().to_json()) == ["version", *counts, "calls", "usage", "cost_usd", "wall_s"]


def test_keys_of_a_row() -> None:
    row = ExplainedExample(example_id="a", query="q", reference=("r",), outcome="failed", reason="no reply")
    assert row.model_dump(mode="json") == {
        "example_id": "a",
        "query": "q",
        "reference": ["r"],
        "outcome": "failed",
        "explanation": None,
        "answer": None,
        "states_answer": False,
        "reason": "no reply",
    }
