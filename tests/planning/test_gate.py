"""The plan of a gate: its bounds hold on a gate that is then made, and what the evaluation asks is not asked again."""

import io
import re
from pathlib import Path
from typing import Any

import pytest

from cowest.errors import InputError
from cowest.pipeline import Pipeline
from cowest.planning import Plan, make_plan, print_plan
from cowest.recipe import Recipe, make_recipe
from tests.gating.gated import recipe_of


def recipe(folder: Path, *methods: str, gate: dict[str, Any] | None = None, **changes: Any) -> Recipe:
    task = {"name": "tests.gating.gated:Kinds", "train": "train:20", "validation": "validation:100", "test": "test:160"}
    data = recipe_of(
        str(folder / "run"),
        task=task,
        judge={"name": "answer_match"},
        evaluate={"methods": list(methods)},
        serve={"gate": {"kind": "calibrated"} | (gate or {})},
    )
    return make_recipe(data | changes)


def calls(plan: Plan, stage: str = "gate") -> dict[str, list[int]]:
    return {
        role: [case.stages[stage][role].calls if role in case.stages[stage] else 0 for case in (plan.low, plan.high)]
        for role in ("weak", "strong")
    }


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pictures: tests/report/test_gate.py draws one."""
    monkeypatch.setattr("cowest.pipeline.evaluation.draw_gate", lambda result, path: True)


@pytest.mark.parametrize(
    ("methods", "limit", "min_accuracy", "planned"),
    [
        # The weak model alone shares its drafts of test with the gate; the strong model is asked all of its own.
        (["weak_only"], None, 1.0, {"weak": [100, 100], "strong": [200 + 160, 200 + 320]}),
        (["collaborate"], None, 0.25, {"weak": [100, 100], "strong": [200, 200 + 160]}),
        (["collaborate"], 30, 1.0, {"weak": [30, 30], "strong": [60, 60 + 160]}),
        (["strong_only"], None, 0.25, {"weak": [260, 260], "strong": [200 + 160, 200 + 160]}),
        (["strong_only", "collaborate"], None, 1.0, {"weak": [100, 100], "strong": [200, 200]}),
    ],
)
def test_a_gate_stays_within_its_plan(
    tmp_path: Path, methods: list[str], limit: int | None, min_accuracy: float, planned: dict[str, list[int]]
) -> None:
    wanted = recipe(tmp_path, *methods, gate={"limit": limit, "min_accuracy": min_accuracy})
    plan = make_plan(Pipeline(wanted))
    assert calls(plan) == planned
    with Pipeline(wanted) as pipeline:
        pipeline.evaluate()
        before = pipeline.context.paid_calls()
        shares = pipeline.gate().test.gate.shares
        paid = {role: count - before.get(role, 0) for role, count in pipeline.context.paid_calls().items()}
    assert (shares["strong"] > 0) == (min_accuracy == 1.0)
    assert plan.gate_examples == {"validation": limit or 100, "test": 160}
    for role, (low, high) in planned.items():
        assert low <= paid[role] <= high
    # Only what the policy asks of the strong model alone is not known before.
    new = 0 if "strong_only" in methods else round(160 * shares["strong"])
    assert paid == {"weak": planned["weak"][0], "strong": planned["strong"][0] + new}


def test_the_gate_counts_in_the_sums_and_is_explained(tmp_path: Path) -> None:
    plan = make_plan(Pipeline(recipe(tmp_path, "collaborate")))
    for case in (plan.low, plan.high):
        assert sum(spends["strong"].calls for spends in case.stages.values()) == case.roles["strong"].calls
    printed = io.StringIO()
    print_plan(plan, printed)
    text = printed.getvalue()
    (row,) = (line for line in text.splitlines() if line.startswith("| gate") and "strong" in line)
    assert "200 – 360" in row
    assert re.search("100 validation examples.* 160 of test", text)


def test_without_a_gate_there_is_nothing_to_plan(tmp_path: Path) -> None:
    plan = make_plan(Pipeline(recipe(tmp_path, "collaborate", serve={"gate": "always"})))
    assert plan.gate_examples is None
    assert "gate" not in plan.high.stages
    printed = io.StringIO()
    print_plan(plan, printed)
    assert "cowest gate" not in printed.getvalue()


def test_what_stands_in_the_gates_way_is_said_when_planning(tmp_path: Path) -> None:
    task = {"name": "tests.gating.gated:Kinds", "train": "train:20", "test": "test:8"}
    with pytest.raises(InputError, match=r"task\.validation"):
        make_plan(Pipeline(recipe(tmp_path, task=task)))
    silent = {"model": "openai/small", "base_url": "http://127.0.0.1:9/v1"}
    with pytest.raises(InputError, match=r"weak.options: \{logprobs: true\}"):
        make_plan(Pipeline(recipe(tmp_path, weak=silent)))


def test_without_a_test_split_only_validation_is_planned(tmp_path: Path) -> None:
    task = {"name": "tests.gating.gated:Kinds", "train": "train:20", "validation": "validation:16"}
    plan = make_plan(Pipeline(recipe(tmp_path, task=task, evaluate={"split": "validation", "methods": ["weak_only"]})))
    # The evaluation has the drafts already.
    assert calls(plan) == {"weak": [0, 0], "strong": [32, 32]}
