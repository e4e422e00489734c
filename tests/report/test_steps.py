"""The strip of stages: what an alignment says of itself."""

from cowest.report.collect import RoundState, RunState, StageState
from cowest.report.steps import step
from tests.report.sample import summary, training


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
