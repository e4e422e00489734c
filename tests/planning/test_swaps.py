"""The calls of `cowest audit --swaps` in the estimate: those that an audit pays for beyond the evaluation."""

import io
from pathlib import Path
from typing import Any

import pytest

import cowest
from cowest.errors import InputError
from cowest.pipeline import Pipeline
from cowest.planning import make_plan, print_plan
from cowest.recipe import make_recipe
from tests.recipes import recipe_of

NUM = 12
GREEDY: dict[str, Any] = {"weak__sampling": {"temperature": 0.0}, "strong__sampling": {"temperature": 0.0}}


@pytest.fixture
def words(tmp_path: Path) -> str:
    file = tmp_path / "words.csv"
    file.write_text("What,Which\n")
    return str(file)


@pytest.mark.parametrize(
    ("changes", "calls"),
    [
        # Swapped, and asked again: the strong model alone and with a draft.
        ({}, {"strong": 4 * NUM, "weak": 2 * NUM}),
        (GREEDY, {"strong": 2 * NUM, "weak": NUM}),
        ({"weak__sampling": {"temperature": 0.0}, "audit__limit": 5}, {"strong": 4 * 5, "weak": 5}),
    ],
)
def test_an_audit_pays_for_the_calls_that_were_planned(
    tmp_path: Path, words: str, changes: dict[str, Any], calls: dict[str, int]
) -> None:
    pipeline = Pipeline(make_recipe(recipe_of(tmp_path / "run", audit__swaps=words, **changes)))
    plan = make_plan(pipeline)
    for case in (plan.low, plan.high):
        assert {role: spend.calls for role, spend in case.stages["audit"].items()} == calls
        assert case.roles["strong"].calls == sum(spends["strong"].calls for spends in case.stages.values())
    with pipeline:
        pipeline.evaluate()
        before = pipeline.context.paid_calls()
    cowest.audit(tmp_path / "run", swaps=True)
    with pipeline:
        assert {role: count - before[role] for role, count in pipeline.context.paid_calls().items()} == calls


def test_what_is_asked_is_said_and_words_that_no_query_holds_are_refused(tmp_path: Path, words: str) -> None:
    recipe = make_recipe(recipe_of(tmp_path / "run", audit={"swaps": words, "limit": 5}))
    plan, text = make_plan(Pipeline(recipe)), io.StringIO()
    print_plan(plan, text)
    assert plan.swapped == 5
    assert "audit: what `cowest audit --swaps` calls" in text.getvalue()
    assert "5 queries with swapped words" in text.getvalue()
    without = make_plan(Pipeline(make_recipe(recipe_of(tmp_path / "run"))))
    assert without.swapped is None
    assert "audit" not in without.high.stages
    Path(words).write_text("cat,dog\n")
    with pytest.raises(InputError, match="None of the 12 queries"):
        make_plan(Pipeline(recipe))
