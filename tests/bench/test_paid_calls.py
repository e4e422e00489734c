"""The calls that rounds pay for, counted from their files: as many as a ledger of their own holds."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import cowest
from cowest.bench.paid_calls import paid_calls
from cowest.ledger import Ledger
from cowest.models import Metered
from cowest.pipeline.factories import model_judge
from cowest.prompts import Prompts
from cowest.recipe import make_recipe
from cowest.records import FeedbackSummary
from cowest.records.spend import add_calls
from cowest.types import ChatRequest
from tests.recipes import recipe_of
from tests.worlds import ScoreBy, gambler, judge_reply, right_or_wrong, sums

JUDGE: dict[str, Any] = {"model": "scripted/tests.worlds:judge_reply"}


def reply(request: ChatRequest) -> str:
    """A number from 1 to 10, or 1 or 2 where two texts are compared."""
    number = judge_reply(request)
    return str(1 + int(number) % 2) if "2 if the second is" in request.messages[-1].content else number


@pytest.mark.parametrize(
    "judge",
    [
        JUDGE,
        JUDGE | {"sampling": {"temperature": 1.0}, "repeats": 3},
        JUDGE | {"reference": "none"},
        {"panel": [JUDGE, JUDGE | {"sampling": {"temperature": 0.5}}]},
        {"name": "answer_match"},
    ],
)
def test_rounds_that_share_queries_and_drafts(tmp_path: Path, judge: Mapping[str, Any]) -> None:
    recipe = make_recipe(recipe_of(tmp_path, judge=judge))
    counts, made = {}, {}
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:

        def opened(role: str) -> Metered:
            return cowest.open_model(cowest.ScriptedModel(reply), role=role, ledger=ledger)

        for number, (first, odds) in enumerate(((0, 0.3), (4, 0.5), (2, 0.3)), 1):
            out = tmp_path / f"round-{number}" / "feedback"
            cowest.feedback(
                sums(12)[first : first + 8],
                weak=gambler("weak", odds),
                strong=gambler("strong", 0.5),
                judge=model_judge(recipe, Prompts(), opened) if recipe.judge_models() else ScoreBy(right_or_wrong),
                out=out,
                samples=3,
                skip_settled=False,
                ledger=ledger,
            )
            made[number] = FeedbackSummary.read(out / "summary.json").calls
            counts[number] = {role: count for role, count in ledger.counts().items() if role != "weak"}
    for number, paid in counts.items():
        calls = add_calls(made[each] for each in range(1, number + 1))
        assert paid_calls(recipe, number, calls) == paid
        # Without a look at what was made before it would be more.
        assert number == 1 or sum(calls[role] for role in paid) > sum(paid.values())
