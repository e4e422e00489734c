"""The strip of stages: what an alignment says of itself."""

from cowest.report.collect import RoundState, RunState, StageState
from cowest.report.steps import step
from cowest.report.table import state_text
from tests.report.sample import results, summary, training


def test_an_alignment_names_its_method() -> None:
    record = training(stage="align", method="kto", num_untrainable=5)
    run = RunState(
        run="runs/ifqa",
        stages=[],
        sft=None,
        rounds=[RoundState(round=1, feedback=summary(), failures=[], align=record)],
        results=None,
        gate=None,
        recipe=None,
    )
    shown = step(StageState(stage="align", round=1, state="done", wall_s=83.0), run)
    assert shown.facts == ["by kto", "2,000 rows", "8 left out", "loss 0.693 → 0.412", "1 min 23 s"]


def test_what_the_evaluation_did_not_wait_for_is_left_out_and_not_due() -> None:
    align, evaluate = (
        StageState(stage=name, round=number, state="missing") for name, number in (("align", 1), ("evaluate", None))
    )
    state = {"run": "runs/x", "stages": [], "sft": None, "rounds": [], "gate": None, "recipe": None}
    assert state_text(align, [align, evaluate]) == "· not yet"
    assert step(align, RunState(**state, results=None)).facts == ["not yet"]
    done = evaluate.model_copy(update={"state": "done"})
    assert state_text(align, [align, done]) == "– left out"
    assert step(align, RunState(**state, results=results())).facts == ["left out"]
