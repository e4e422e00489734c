"""Faults that are planted in a run are found, each by its own part of the audit, and in no run without them."""

from pathlib import Path

import numpy as np
import pytest

import cowest
from cowest import runs
from cowest.auditing import AUDIT
from cowest.auditing.examine import audit_of
from cowest.errors import InputError
from cowest.records import AuditResults, EvaluationResults, Prediction
from tests.auditing.simulated import Faults, calibrated, evaluation, swapped
from tests.worlds import tree

FAULTY = Faults(harmed_topic="towns", takes_wrong=0.5, leaves_right=0.3, too_sure=0.25)
SOUND = Faults(gain=0.05, takes_wrong=0.03, leaves_right=0.03)


def write(folder: Path, faults: Faults, seed: int = 1) -> Path:
    """The folder of a run as `cowest evaluate` leaves it, without a recipe."""
    answered = evaluation(np.random.default_rng(seed), faults, num=600)
    run = runs.RunFolder(folder)
    for name, rows in (("collaborate", answered.pair), ("strong_only", answered.strong)):
        runs.write_jsonl(run.evaluate / "predictions" / f"{name}.jsonl", rows)
    EvaluationResults(task="bridges", metric="accuracy", num_examples=600).write(run.evaluate / "results.json")
    return folder


def test_each_planted_fault_is_found(tmp_path: Path) -> None:
    found = cowest.audit(write(tmp_path, FAULTY))
    kinds = [finding.kind for finding in found.findings]
    assert set(kinds) == {"slice", "took_wrong", "left_right", "calibration"}
    harmed = [(each.field, each.value) for each in found.slices if each.verdict == "worse"]
    assert ("topic", "towns") in harmed
    worst = min(found.slices, key=lambda each: each.difference)
    assert (worst.field, worst.value) == ("topic", "towns")
    assert worst.harm_rate > worst.help_rate
    assert "where topic is towns" in next(each.text for each in found.findings if each.kind == "slice")
    assert found.reliance is not None
    for share, planted in ((found.reliance.took_wrong, 0.5), (found.reliance.left_right, 0.3)):
        assert share is not None
        assert share.ci95 is not None
        assert share.ci95[0] < planted + 0.1
        assert share.ci95[1] > planted
    assert found.calibration is not None
    assert found.calibration.confidence - found.calibration.right.value == pytest.approx(0.25, abs=0.06)
    assert found.calibration.error > 5 * found.calibration.error_if_calibrated
    assert {each.verdict for each in found.calibration.bins} <= {"worse", "no difference shown"}


def test_nothing_is_found_where_nothing_was_planted(tmp_path: Path) -> None:
    found = cowest.audit(write(tmp_path, SOUND))
    assert found.findings == []
    assert len(found.slices) > 10
    assert (found.num_examples, found.num_groups, found.num_failed) == (600, 150, 0)


@pytest.mark.parametrize(
    ("strong", "pair", "verdicts"),
    [
        (0.15, 0.15, ("no difference shown", "no difference shown", "no difference shown")),
        (0.15, 0.45, ("no difference shown", "worse", "worse")),
        (0.45, 0.45, ("worse", "worse", "no difference shown")),
    ],
)
def test_answers_that_a_swap_changes_are_found(strong: float, pair: float, verdicts: tuple[str, ...]) -> None:
    rng = np.random.default_rng(3)
    swaps = swapped(rng, strong=strong, pair=pair)
    assert (swaps.strong.difference.verdict, swaps.pair.difference.verdict, swaps.difference.verdict) == verdicts
    found = audit_of(evaluation(rng, SOUND), swaps=swaps).findings
    assert [each.kind for each in found] == ["swaps"] * verdicts.count("worse")


def test_an_audit_writes_its_own_file_and_no_other(tmp_path: Path) -> None:
    before = tree(write(tmp_path, SOUND))
    found = cowest.audit(tmp_path)
    after = tree(tmp_path)
    assert set(after) - set(before) == {f"evaluate/{AUDIT}"}
    assert {name: after[name] for name in before} == before
    assert AuditResults.read(tmp_path / "evaluate" / AUDIT) == found
    assert (found.task, found.metric, found.pair, found.strong, found.weak) == (
        *("bridges", "accuracy", "collaborate", "strong_only"),
        None,
    )


def test_a_failed_call_is_no_score(tmp_path: Path) -> None:
    path = write(tmp_path, SOUND) / "evaluate" / "predictions" / "strong_only.jsonl"
    rows = [Prediction.model_validate(row) for row in runs.read_jsonl(path)]
    failed = [row.model_copy(update={"correct": 0.0, "error": "no reply"}) for row in rows[:100]]
    runs.write_jsonl(path, [*failed, *rows[100:]])
    found = cowest.audit(tmp_path)
    assert (found.num_examples, found.num_failed) == (500, 100)
    runs.write_jsonl(path, [row.model_copy(update={"error": "no reply"}) for row in rows])
    with pytest.raises(InputError, match="no example which both collaborate and strong_only answered"):
        cowest.audit(tmp_path)


def test_what_the_predictions_lack_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, SOUND) / "evaluate" / "predictions" / "collaborate.jsonl"
    rows = [Prediction.model_validate(row) for row in runs.read_jsonl(path)]
    without = [row.draft_answer.model_copy(update={"confidence": None}) for row in rows if row.draft_answer]
    runs.write_jsonl(
        path, [row.model_copy(update={"draft_answer": draft}) for row, draft in zip(rows, without, strict=True)]
    )
    found = cowest.audit(tmp_path)
    assert (found.calibration, list(found.missing)) == (None, ["calibration"])
    assert "log-probabilities" in found.missing["calibration"]
    runs.write_jsonl(path, [row.model_copy(update={"draft_answer": None}) for row in rows])
    found = cowest.audit(tmp_path)
    assert (found.reliance, list(found.missing)) == (None, ["reliance", "calibration"])


def test_a_run_without_what_is_compared_is_refused(tmp_path: Path) -> None:
    predictions = write(tmp_path, SOUND) / "evaluate" / "predictions"
    whole = predictions.joinpath("strong_only.jsonl").read_text().splitlines(keepends=True)
    predictions.joinpath("strong_only.jsonl").write_text("".join(whole[1:]))
    with pytest.raises(InputError, match=r"strong_only and collaborate are not of the same examples.*evaluate"):
        cowest.audit(tmp_path)
    predictions.joinpath("strong_only.jsonl").unlink()
    with pytest.raises(InputError, match=r"holds predictions of collaborate.*evaluate\.methods"):
        cowest.audit(tmp_path)
    (tmp_path / "evaluate" / "results.json").unlink()
    with pytest.raises(InputError, match=r"results\.json.* does not exist"):
        cowest.audit(tmp_path)
    with pytest.raises(InputError, match="no run folder"):
        cowest.audit(tmp_path / "none")


def test_few_drafts_are_one_bin() -> None:
    few = calibrated(evaluation(np.random.default_rng(0), SOUND, num=40))
    assert [each.num_examples for each in few.bins] == [40]
