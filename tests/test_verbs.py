"""A recipe's verbs as functions: what they return, write and refuse, and an endpoint in the background."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

import cowest
from cowest.errors import CowestError, InputError
from cowest.recipe import make_recipe
from cowest.records import EvaluationResults, GateResults
from tests.gating import gated
from tests.recipes import recipe_of
from tests.serving.served import question


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe_of(tmp_path / "pair")))
    return str(tmp_path / "recipe.yaml")


def test_a_recipe_is_run_and_its_results_come_back_whole(recipe: str, tmp_path: Path) -> None:
    with cowest.quietly():
        results = cowest.run(recipe, "feedback.queries=4", "evaluate.limit=6")
        again = cowest.run(str(tmp_path / "pair"))  # the folder of the run, whose recipe has these settings
    assert results == again == EvaluationResults.read(tmp_path / "pair/evaluate/results.json")
    assert results.num_examples == 6
    assert (tmp_path / "pair/report.html").is_file()


def test_the_gate_is_learned_and_its_results_come_back_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cowest.pipeline.evaluation.draw_gate", lambda result, path: True)
    data = gated.recipe_of(str(tmp_path / "pair"))
    results = cowest.gate(make_recipe(data))
    assert results == GateResults.read(tmp_path / "pair/gate/gate.json")
    assert (tmp_path / "pair/report.html").is_file()
    assert "gate validation" in capsys.readouterr().err
    with cowest.quietly():
        cowest.gate(make_recipe(data))
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda path: cowest.run(path, "feedback.smaples=3"), "smaples"),
        (lambda path: cowest.run(cowest.load_recipe(path), "rounds=2"), "loaded already"),
        (lambda path: cowest.run_bench(path, "bench.kinds=[nobody]"), "nobody"),
        (cowest.gate, "task.validation"),
        (lambda path: cowest.serve(path, host="0.0.0.0"), "COWEST_API_KEY"),
        (lambda path: cowest.endpoint(path, port=700000), "cannot be listened at"),
    ],
)
def test_what_is_wrong_is_refused(
    call: Callable[[str], Any], words: str, recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COWEST_API_KEY", raising=False)
    with pytest.raises(InputError, match=words):
        call(recipe)


def test_an_endpoint_answers_in_the_background_until_it_is_closed(recipe: str) -> None:
    with cowest.endpoint(recipe) as server:
        assert repr(server) == f"<endpoint {server.url}, running>"
        reply = httpx2.post(f"{server.url}/chat/completions", json=question()).json()
        assert "Answer:" in reply["choices"][0]["message"]["content"]
    assert repr(server).endswith("closed>")
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{server.url}/models")
    server.close()  # a second time does nothing


def test_an_endpoint_that_cannot_start_says_so(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()
    broken = httpx2.ConnectError("no")

    async def fail(*arguments: Any) -> None:
        raise broken

    monkeypatch.setattr("cowest.serving.whole_text.WholeText.open", fail)
    with pytest.raises(CowestError, match="could not start"):
        cowest.endpoint(recipe)
    assert threading.active_count() == before
