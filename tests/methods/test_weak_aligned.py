"""The aligned weak model alone: which stage answers, and how often it is asked."""

from cowest import synchronous
from cowest.collaboration import Collaboration
from cowest.methods import Setting, make_methods
from cowest.models.providers.scripted import ScriptedModel
from tests.worlds import Sums

TASK = Sums(test="3")


def setting(*stages: str) -> tuple[Setting, dict[str, ScriptedModel], ScriptedModel]:
    weak = {stage: ScriptedModel(lambda request, stage=stage: f"Answer: {stage}") for stage in stages}
    strong = ScriptedModel(lambda request: "Answer: strong")
    return (
        Setting(weak=weak, strong=strong, collaborate=lambda model: Collaboration(model, strong), task=TASK),
        weak,
        strong,
    )


def test_the_last_rounds_model_answers_with_one_call() -> None:
    given, weak, strong = setting("sft", "round_1", "round_2")
    (method,) = make_methods(["weak_aligned"], given)
    assert (method.name, method.round) == ("weak_aligned", 2)
    prediction = synchronous.run(method.predict(TASK.test[0]))
    assert prediction.answer == "round_2"
    assert prediction.calls == {"weak": 1}
    assert {name: len(model.requests) for name, model in weak.items()} == {"sft": 0, "round_1": 0, "round_2": 1}
    assert strong.requests == []


def test_without_a_round_there_is_no_row() -> None:
    assert make_methods(["weak_aligned"], setting("sft")[0]) == []
