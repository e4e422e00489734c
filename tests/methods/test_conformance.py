"""Every method of the folder: it makes rows, predicts, and says what it took."""

from dataclasses import replace
from pathlib import Path

import pytest

from cowest import plugins, synchronous
from cowest.collaboration import Collaboration
from cowest.errors import CompletionError
from cowest.methods import Method, Prepared, Setting, make_methods
from cowest.models.providers.scripted import ScriptedModel
from tests.methods.quiz import corpus, said
from tests.worlds import Sums, gamble, gambler, sums

TASK = Sums(train="4", test="6")


def setting() -> Setting:
    strong = gambler("strong", 0.5)
    weak = {name: gambler(name, 0.5) for name in ("base", "sft", "round_1", "round_2")}
    return Setting(weak=weak, strong=strong, collaborate=lambda model: Collaboration(model, strong), task=TASK)


def sure(name: str) -> ScriptedModel:
    """A gambler that says how sure it is."""
    return ScriptedModel(lambda request: said(gamble(name, 0.5, request), 0.7), name=f"scripted/{name}")


@pytest.mark.parametrize("name", plugins.choices("cowest.methods"))
def test_every_method_conforms(name: str, tmp_path: Path) -> None:
    strong = sure("strong")
    whole = replace(
        setting(),
        weak={stage: sure(stage) for stage in setting().weak},
        strong=strong,
        collaborate=lambda model: Collaboration(model, strong),
        retriever=corpus(tmp_path, "What is 2 plus 2?"),
        unseen=lambda: sums(3),
    )
    rows = make_methods([name], whole)
    assert rows
    for method in rows:
        assert isinstance(method, Method)
        if isinstance(method, Prepared):
            preparation = synchronous.run(method.prepare(2))
            assert set(preparation.calls) == set(preparation.usage)
            assert preparation.num_used + preparation.num_failed <= preparation.num_examples
        example = TASK.test[2]
        prediction = synchronous.run(method.predict(example))
        assert (prediction.id, prediction.method, prediction.query) == (example.id, method.name, example.query)
        assert prediction.reference == example.references
        assert prediction.correct == prediction.scores["accuracy"]
        assert set(prediction.calls) == set(prediction.usage)
        assert sum(prediction.calls.values()) >= 1
        assert prediction.output
    assert len({method.name for method in rows}) == len(rows)


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("weak_only", {"weak": 1}),
        ("strong_only", {"strong": 1}),
        ("collaborate", {"weak": 1, "strong": 1}),
        ("oracle", {"strong": 1}),
    ],
)
def test_one_call_more_or_less_is_a_failure(name: str, calls: dict[str, int]) -> None:
    for method in make_methods([name], setting()):
        assert synchronous.run(method.predict(TASK.test[0])).calls == calls


def test_no_base_row_where_there_is_no_base() -> None:
    whole = setting()
    without = Setting(weak={"sft": whole.weak["sft"]}, strong=whole.strong, collaborate=whole.collaborate, task=TASK)
    assert [method.name for method in make_methods(["weak_only"], without)] == ["weak_only"]
    assert [method.name for method in make_methods(["collaborate"], without)] == ["collaborate_sft"]


def test_an_oracle_without_a_draft_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sums, "oracle_draft", lambda self, example: None)
    (oracle,) = make_methods(["oracle"], setting())
    with pytest.raises(CompletionError, match="leave oracle out"):
        synchronous.run(oracle.predict(TASK.test[0]))
