"""Queries that failed can be tried again at the price of their calls, and never change what training has used."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cowest.errors import CompletionError, InputError
from cowest.pipeline import Pipeline
from cowest.pipeline.provenance import ALIGN_DEPENDENCIES, Provenance
from cowest.prompts import Prompts
from cowest.recipe import make_recipe
from cowest.runs import RunFolder
from cowest.types import ChatRequest
from tests.recipes import paid_calls, recipe_of, run
from tests.worlds import gamble

STRONG: dict[str, Any] = {"strong__model": f"scripted/{__name__}:strong_reply"}
_failing: set[str] = set()


def strong_reply(request: ChatRequest) -> str:
    if any(f"What is {number} plus" in request.messages[-1].content for number in _failing):
        raise CompletionError("no usable reply")
    return gamble("strong", 0.5, request)


@pytest.fixture(autouse=True)
def failing() -> Iterator[None]:
    """Three of the questions fail, as long as a test leaves them here."""
    _failing.update(("3", "4", "5"))
    yield
    _failing.clear()


def num_failed(folder: Path) -> int:
    return int(json.loads((folder / "round-1/feedback/summary.json").read_text())["num_failed"])


def tree(folder: Path) -> dict[str, bytes]:
    names = ("pairs.jsonl", "graded.jsonl", "failures.jsonl", "summary.json")
    return {name: file.read_bytes() for name in names if (file := folder / "round-1/feedback" / name).is_file()}


def test_a_finished_round_says_how_to_try_its_failures_again(tmp_path: Path) -> None:
    folder, whole = tmp_path / "run", tmp_path / "whole"
    stage, line = run(folder, **STRONG)
    assert stage == "feedback, round 1"
    assert run(folder, **STRONG) == [f"{stage}: done before", line]
    failed = num_failed(folder)
    assert failed > 0
    summary = folder / "round-1/feedback/summary.json"
    assert f"{failed} of 10 queries failed" in line
    assert f"delete {str(summary)!r}" in line
    before = paid_calls(folder)
    summary.unlink()
    _failing.clear()
    assert run(folder, **STRONG) == ["feedback, round 1"]
    run(whole, **STRONG)
    assert num_failed(folder) == 0
    assert before < paid_calls(folder) == paid_calls(whole)
    for name in ("pairs.jsonl", "graded.jsonl"):
        assert tree(folder)[name] == tree(whole)[name]
    assert run(folder, **STRONG) == ["feedback, round 1: done before"]


def test_what_alignment_has_learned_from_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(folder, **STRONG)
    (folder / "round-1/align").mkdir()
    (folder / "round-1/align/inputs.json").write_text("{}")
    (line,) = run(folder, **STRONG)[1:]
    ledger = folder / "ledger.sqlite"
    assert f"run=NEW ledger={ledger}" in line
    (folder / "round-1/feedback/summary.json").unlink()
    before = tree(folder)
    _failing.clear()
    with pytest.raises(InputError, match=rf"has learned from the pairs.*run=NEW ledger={ledger}"):
        run(folder, **STRONG)
    assert tree(folder) == before
    run(tmp_path / "new", ledger=str(ledger), **STRONG)
    assert num_failed(tmp_path / "new") == 0
    run(tmp_path / "whole", **STRONG)
    assert paid_calls(tmp_path / "new") + paid_calls(folder) == paid_calls(tmp_path / "whole")
    assert tree(tmp_path / "new")["pairs.jsonl"] == tree(tmp_path / "whole")["pairs.jsonl"]


def test_pairs_without_a_failure_can_be_gathered_anew_after_alignment(tmp_path: Path) -> None:
    _failing.clear()
    run(tmp_path, **STRONG)
    (tmp_path / "round-1/align").mkdir()
    (tmp_path / "round-1/align/inputs.json").write_text("{}")
    before, calls = tree(tmp_path)["pairs.jsonl"], paid_calls(tmp_path)
    (tmp_path / "round-1/feedback/summary.json").unlink()
    assert run(tmp_path, **STRONG) == ["feedback, round 1"]
    assert (tree(tmp_path)["pairs.jsonl"], paid_calls(tmp_path)) == (before, calls)


def test_alignment_belongs_to_its_pairs(tmp_path: Path) -> None:
    provenance = Provenance(make_recipe(recipe_of(tmp_path)), RunFolder(tmp_path), Prompts(), lambda line: None)

    def is_done(**also: str) -> bool:
        return provenance.is_done("align", tmp_path / "align", ALIGN_DEPENDENCIES, (), marker="done", **also)

    is_done(pairs="1")
    is_done(pairs="1")
    provenance.require_same_recipe("align", tmp_path / "align", ALIGN_DEPENDENCIES)
    with pytest.raises(InputError, match="other pairs"):
        is_done(pairs="2")


def test_an_evaluation_says_how_to_try_its_failures_again(tmp_path: Path) -> None:
    _failing.update(str(number) for number in range(0, 12, 2))
    lines = run(tmp_path, "evaluate", **STRONG)
    again = run(tmp_path, "evaluate", **STRONG)
    assert (lines[0], again[0]) == ("evaluate", "evaluate: done before")
    assert lines[1:] == again[1:]
    results = tmp_path / "evaluate/results.json"
    assert re.search("of 12 queries.*failed and count as wrong: strong_only ", lines[1])
    assert f"delete {str(results)!r}" in lines[1]
    before = paid_calls(tmp_path)
    results.unlink()
    _failing.clear()
    assert run(tmp_path, "evaluate", **STRONG) == ["evaluate"]
    run(tmp_path / "whole", "evaluate", **STRONG)
    assert before < paid_calls(tmp_path) == paid_calls(tmp_path / "whole")
    with Pipeline(make_recipe(recipe_of(tmp_path, **STRONG))) as pipeline:
        assert all(row.num_failed == 0 for row in pipeline.evaluate().methods.values())
