"""What Python shows of the objects that a person holds: what they are, in one line, and no key."""

from pathlib import Path

import pytest

import cowest
from cowest.recipe import make_recipe
from cowest.records import TrainingRecord
from cowest.training import TrainedModel
from tests.recipes import recipe_of
from tests.worlds import Sums, gambler


def reprs(folder: Path) -> dict[str, object]:
    model = cowest.model("openai/gpt-4.1")
    trained = TrainingRecord(stage="sft", adapter=".", base="tiny", num_rows=16, num_steps=2, final_loss=0.5)
    return {
        "Sums(train='20', test='12')": Sums(train="20", test="12"),
        "<train split of sums, 20 examples>": Sums(train="20").train,
        "<ScriptedModel scripted/small>": gambler("small", 0.5),
        "<model openai/gpt-4.1, 0 calls, $0>": model,
        "Collaboration(weak='scripted/small', strong='openai/gpt-4.1', format='chain_of_thought')": (
            cowest.Collaboration(gambler("small", 0.5), model)
        ),
        f"Pipeline({str(folder)!r}, weak='scripted/tests.worlds:weak_reply', "
        "strong='scripted/tests.worlds:strong_reply')": cowest.Pipeline(make_recipe(recipe_of(folder))),
        "TrainedModel(folder='runs/sft', base='tiny', num_rows=16, num_steps=2, final_loss=0.5)": TrainedModel(
            folder="runs/sft", base="tiny", metrics=trained
        ),
        "TrainedModel(folder=None, base='tiny')": TrainedModel(
            folder=None, base="tiny", metrics=TrainingRecord(adapter=None, base="tiny")
        ),
    }


def test_reprs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-in-the-environment")
    for wanted, thing in reprs(tmp_path).items():
        assert repr(thing) == wanted
        assert "secret" not in repr(thing)


def test_the_version() -> None:
    assert cowest.__version__[0].isdigit()
