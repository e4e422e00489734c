import re
from typing import Any

import pytest

from cowest.records import EvaluationResults, PairLabels
from cowest.report.collect import RoundState, RunState
from cowest.report.warnings import warnings
from tests.report.sample import agreement, changed, control, results, summary, training, with_method


def collected(**changes: Any) -> RunState:
    """A run after one round, whose summary has these changes."""
    feedback = summary(**changes)
    return RunState(
        run="runs/ifqa",
        stages=[],
        sft=training(),
        rounds=[RoundState(round=1, feedback=feedback, failures=[], align=training())],
        results=None,
        gate=None,
        recipe="task: {overlap: drop}",
    )


def of(found: EvaluationResults) -> list[str]:
    return warnings(collected(), found)


def test_a_sound_run_has_none() -> None:
    assert of(results()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_drafts_cut": 300}, "17.4% of the drafts were cut"),
        ({"num_identical_drafts": 900}, "52.3% of the drafts repeat another"),
        ({"num_unscored": 100}, "5.8% of the drafts could not be judged"),
        ({"num_failed": 40}, "10.0% of the queries were left out"),
        ({"num_solo_perfect": 300}, "on 75.0% of the queries the strong model alone scored 10"),
        ({"num_unparsed_solo": 40}, "10.0% of the strong model's outputs without a draft hold no answer"),
        ({"num_unparsed_drafts": 400}, "of the drafts hold no answer"),
        ({"num_unparsed_refined": 400}, "of the refined outputs hold no answer"),
        ({"null_control": control(-0.01)}, "cannot be told from chance"),
        ({"pair_labels": PairLabels(chosen={"Unsafe": 20}, rejected={"Safe": 20})}, 'preferred drafts say "Unsafe"'),
        ({"judge_agreement": agreement(0.55)}, "the judge disagrees with the metric"),
    ],
)
def test_what_feedback_lost_is_said(changes: dict[str, Any], said: str) -> None:
    (warning,) = warnings(collected(**changes), None)
    assert said in warning


def test_a_round_without_pairs_is_said_unless_single_drafts_were_enough() -> None:
    run = collected(num_pairs=0)
    assert warnings(run, None) == []
    rounds = [each.model_copy(update={"align": None}) for each in run.rounds]
    (warning,) = warnings(run.model_copy(update={"rounds": rounds}), None)
    assert "gave no pair" in warning


def test_sound_diagnostics_warn_of_nothing() -> None:
    assert warnings(collected(null_control=control(0.1), judge_agreement=agreement()), None) == []


@pytest.mark.parametrize(("ci95", "said"), [((-0.02, 0.1), "not clearly better"), ((-0.2, -0.1), "clearly worse")])
def test_a_pair_that_does_not_pay_is_said(ci95: tuple[float, float], said: str) -> None:
    weak, strong, sft = results().comparisons
    (warning,) = of(results(comparisons=[weak, changed(strong, ci95=ci95), sft]))
    assert said in warning
    assert "strong model alone" in warning


def test_answers_that_are_missing_are_said() -> None:
    no_reply, no_answer, *unequal = of(with_method("collaborate", num_failed=8, num_unparsed=24))
    assert re.search(r": 2\.0% of the examples.*no reply", no_reply)
    assert re.search(r": 6\.0% of the replies hold no answer", no_answer)
    assert unequal
    assert all("6.0% against 0.0%" in each for each in unequal)
    assert of(with_method("collaborate", num_unparsed=20)) == []  # 5% is the limit


def test_few_examples_are_said() -> None:
    assert "Only 30 examples" in of(results(num_examples=30))[0]


def test_rows_left_out_of_training_are_said() -> None:
    found = warnings(changed(collected(), sft=training(num_overlong=500)), None)
    assert "SFT: 20.0% of the rows were too long" in found[0]


@pytest.mark.parametrize(("recipe", "count"), [("task: {overlap: keep}", 1), ("task: {}", 0), ("[", 0), (None, 0)])
def test_shared_questions_are_said(recipe: str | None, count: int) -> None:
    assert len(warnings(changed(collected(), recipe=recipe), None)) == count
