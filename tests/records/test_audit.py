"""audit.json: its keys, and the verdict of one of many tests."""

import pytest

from cowest.records import AuditResults, CorrectedDifference
from tests.auditing.sample import audit, piece

KEYS = [
    *("version", "task", "metric", "pair", "strong", "weak", "num_examples", "num_failed", "num_groups", "overall"),
    *("min_slice", "slices", "left_out", "reliance", "calibration", "missing", "swaps", "findings"),
]
TESTED = ["difference", "ci95", "p_value", "p_holm", "verdict"]
SLICE = [*TESTED, "field", "value", "num_examples", "strong", "pair", "help_rate", "harm_rate"]


def test_keys_of_the_file_and_its_parts() -> None:
    found = audit().to_json()
    assert sorted(found) == sorted(KEYS)
    assert sorted(found["slices"][0]) == sorted(SLICE)
    assert sorted(found["reliance"]) == ["draft_right", "left_right", "tolerated", "took_wrong"]
    assert found["reliance"]["draft_right"] == {"value": 0.4, "ci95": pytest.approx([0.35, 0.45]), "num": 590}
    bins = ["num_examples", "low", "high", "confidence", "right"]
    assert sorted(found["calibration"]["bins"][0]) == sorted([*TESTED, *bins])
    assert sorted(found["swaps"]["pair"]) == ["changed", "changed_again", "difference"]
    assert {each["kind"] for each in found["findings"]} == {"slice", "took_wrong", "left_right", "calibration", "swaps"}


def test_the_verdict_of_one_of_many_tests_goes_by_the_corrected_p_value() -> None:
    found = CorrectedDifference(difference=-0.1, ci95=(-0.18, -0.02), p_value=0.01, p_holm=0.06)
    assert found.verdict == "no difference shown"
    assert found.model_copy(update={"p_holm": 0.05}).verdict == "worse"
    assert found.model_copy(update={"p_holm": None}).verdict == "worse"
    assert piece("topic", "towns", 0.05, 0.01).verdict == "no difference shown"  # its interval holds 0
    read = AuditResults.model_validate(audit().to_json())
    assert [each.verdict for each in read.slices] == ["worse", "better", "no difference shown"]
