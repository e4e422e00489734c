"""Limits on money that cannot be kept are refused before SFT, by doctor and by plan."""

from pathlib import Path
from typing import Any

import pytest

from cowest.doctor import FAULT, diagnose
from cowest.errors import InputError
from cowest.pipeline import Pipeline
from cowest.pipeline.spending import check_spending
from cowest.planning import make_plan
from cowest.recipe import make_recipe
from tests.recipes import priced, recipe_of

BOUNDED = {"sampling": {"max_tokens": 50}}
UNBOUNDED = {"sampling": {"max_tokens": None}}
STRONG: dict[str, Any] = {"strong": priced(**BOUNDED)}


def check(folder: Path, **changes: Any) -> None:
    check_spending(make_recipe(recipe_of(folder, **changes)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "cost nothing here"),
        ({**STRONG, "feedback__kind": "rlaif"}, r"feedback\.kind rlaif compares drafts"),
        ({"strong": priced(price=None, **BOUNDED)}, "the price of strong is not known"),
        ({"strong": priced(**UNBOUNDED)}, r"without strong\.sampling\.max_tokens"),
        ({**STRONG, "weak__sampling": {"max_tokens": None}}, r"without weak\.sampling\.max_tokens"),
    ],
)
def test_what_a_round_may_spend(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        check(tmp_path, feedback__spend=1.0, **changes)
    check(tmp_path, feedback__spend=1.0, **STRONG)


@pytest.mark.parametrize("section", ["weak", "strong", "judge", "feedback__labeller"])
def test_a_budget_needs_a_longest_reply(tmp_path: Path, section: str) -> None:
    kind = {"feedback__kind": "rlaif"} if section == "feedback__labeller" else {}
    with pytest.raises(InputError, match=r"budget_usd is set for 'openai/gpt-x', but no sampling\.max_tokens"):
        check(tmp_path, **{section: priced(budget_usd=3, **UNBOUNDED)}, **kind)
    check(tmp_path, **{section: priced(budget_usd=3, **BOUNDED)}, **kind)
    check(tmp_path, **{section: priced(**UNBOUNDED)}, **kind)


def test_every_command_that_comes_before_the_money_says_so(tmp_path: Path) -> None:
    """Before any training, and before an endpoint is opened: nobody listens at this one."""
    data = recipe_of(tmp_path, feedback__spend=1.0, strong=priced(**UNBOUNDED))
    said = r"without strong\.sampling\.max_tokens"
    pipeline = Pipeline(make_recipe(data))
    for command in (pipeline.sft, pipeline.train, lambda: make_plan(pipeline)):
        with pytest.raises(InputError, match=said):
            command()
    assert [check for check in diagnose(pipeline, 0) if check.mark == FAULT and "has no worst case" in check.line]
    pipeline.check_names()  # what is trained already can be evaluated and served
    assert not (tmp_path / "sft").exists()
