"""Replies that are paid for: found by what the ledger knows them by, and by nothing else."""

from pathlib import Path

import pytest

from cowest import synchronous
from cowest.ledger import Ledger
from cowest.models import ModelConfig, load_model
from cowest.models.tokens import TokenCounter
from cowest.planning.paid_replies import PaidReplies, open_ledger
from cowest.planning.rehearsal import Assumptions, RehearsedModel
from cowest.planning.tally import Tally
from cowest.recipe import make_recipe
from cowest.types import ChatRequest, Message
from tests.recipes import recipe_of
from tests.worlds import tree

STRONG = ModelConfig(model="scripted/tests.worlds:strong_reply")
ASSUMPTIONS = Assumptions(solved_alone=0.0, helped=0.0, sure=0.0, tokens={"strong": 5, "judge": 1})


def asked(number: int, sample_index: int = 0) -> ChatRequest:
    text = f"What is {number} plus {number + 1}?"
    return ChatRequest(messages=(Message(role="user", content=text),), sample_index=sample_index, prompt_version="1")


def test_a_rehearsal_answers_as_the_ledger_does_and_counts_the_rest(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite", "run") as ledger:
        paid = synchronous.run(load_model(STRONG, role="strong", ledger=ledger).complete(asked(1)))
        paid_replies, tally = PaidReplies(ledger, seed=0), Tally()

        def rehearsed(role: str) -> RehearsedModel:
            return RehearsedModel(
                role, "strong", ASSUMPTIONS, TokenCounter(STRONG), tally, paid_replies.lookup(role, STRONG)
            )

        assert synchronous.run(rehearsed("strong").complete(asked(1))).text == paid.text
        assert tally.take({"strong": STRONG}) == {}
        for request in (asked(2), asked(1, sample_index=1), asked(2)):
            assert synchronous.run(rehearsed("strong").complete(request)).text != paid.text
        assert tally.take({"strong": STRONG})["strong"].calls == 2
        # The same model as the judge is another role.
        synchronous.run(rehearsed("judge").complete(asked(1)))
        assert tally.take({"judge": STRONG})["judge"].calls == 1
        assert paid_replies.unknown == {}


def test_without_a_key_nothing_is_found_and_the_reason_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with Ledger(tmp_path / "ledger.sqlite", "run") as ledger:
        paid_replies = PaidReplies(ledger, seed=0)
        assert paid_replies.lookup("strong", ModelConfig(model="openai/gpt-4.1")) is None
        assert "OPENAI_API_KEY is not set" in paid_replies.unknown["strong"]
        # A model that would have to be fetched has said nothing yet, and is not fetched.
        assert paid_replies.lookup("weak", ModelConfig(model="local/some/hub-model")) is None
        assert set(paid_replies.unknown) == {"strong"}


def test_reading_a_runs_ledger_changes_nothing_in_its_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    Ledger(run / "ledger.sqlite", "run").close()
    before = tree(run)
    with open_ledger(make_recipe(recipe_of(run))) as found:
        assert found is not None
        assert tree(run) == before
    assert tree(run) == before


def test_looking_for_a_ledger_makes_none(tmp_path: Path) -> None:
    recipe = make_recipe(recipe_of(tmp_path / "run", ledger=str(tmp_path / "shared.sqlite")))
    with open_ledger(recipe) as found:
        assert found is None
    assert PaidReplies(None, seed=0).lookup("strong", STRONG) is None
    assert tree(tmp_path) == {}
    Ledger(tmp_path / "shared.sqlite", "another run").close()
    with open_ledger(recipe) as found:
        assert found is not None
    assert set(tree(tmp_path)) == {"shared.sqlite"}
