"""What a row took once: of its own, of the rounds behind it, and unknown where a part is."""

import pytest

from cowest.methods import make_methods
from cowest.records import ExplanationSummary, FeedbackSummary, Preparation
from cowest.stages.evaluate import evaluate
from cowest.stages.preparation import preparation_of
from cowest.types import Usage
from tests.stages.sums_setting import TASK, setting


def summary(num: int, cost_usd: float | None = 1.5) -> FeedbackSummary:
    usage = Usage(prompt_tokens=10 * num, completion_tokens=num)
    return FeedbackSummary(
        num_examples=num,
        num_pairs=2,
        cost_usd=cost_usd,
        calls={"weak": num, "strong": 2 * num},
        usage={"weak": usage, "strong": usage},
    )


OWN = Preparation(
    num_examples=3,
    num_used=2,
    num_failed=0,
    calls={"strong": 6},
    usage={"strong": Usage(prompt_tokens=5)},
    cost_usd=0.5,
)


def test_an_aligned_row_took_the_feedback_of_all_rounds_up_to_its_own() -> None:
    found = preparation_of(2, None, {1: summary(4), 2: summary(6, 2.0), 3: summary(100)})
    assert found is not None
    assert (found.rounds, found.num_queries, found.num_pairs) == (2, 10, 4)
    assert found.calls == {"weak": 10, "strong": 20}
    assert found.usage["strong"] == Usage(prompt_tokens=100, completion_tokens=10)
    assert found.cost_usd == pytest.approx(3.5)


def test_an_unknown_price_or_a_missing_round_is_not_nothing() -> None:
    prices_lost = preparation_of(2, None, {1: summary(4), 2: summary(6, None)})
    assert prices_lost is not None
    assert prices_lost.cost_usd is None
    assert preparation_of(2, None, {2: summary(6)}) is None
    assert preparation_of(1, OWN, {}) is None


def test_a_row_without_alignment_took_what_it_did_itself() -> None:
    assert preparation_of(None, OWN, {1: summary(4)}) == OWN
    assert preparation_of(0, None, {1: summary(4)}) is None
    both = preparation_of(1, OWN, {1: summary(4)})
    assert both is not None
    assert (both.calls, both.cost_usd) == ({"weak": 4, "strong": 14}, 2.0)
    assert both.num_used == 2


EXPLAINED = ExplanationSummary(
    num_examples=7, calls={"strong": 14}, usage={"strong": Usage(prompt_tokens=3)}, cost_usd=0.25
)


def test_every_row_with_a_trained_model_took_the_explanations_that_sft_learned_from() -> None:
    after_sft = preparation_of(0, None, {}, EXPLAINED)
    assert after_sft == Preparation(
        num_to_explain=7, calls={"strong": 14}, usage={"strong": Usage(prompt_tokens=3)}, cost_usd=0.25
    )
    aligned = preparation_of(1, OWN, {1: summary(4)}, EXPLAINED)
    assert aligned is not None
    assert (aligned.calls, aligned.cost_usd) == ({"weak": 4, "strong": 28}, 2.25)
    assert (aligned.num_to_explain, aligned.num_queries, aligned.num_used) == (7, 4, 2)
    assert preparation_of(None, OWN, {}, EXPLAINED) == OWN
    assert preparation_of(None, None, {}, EXPLAINED) is None


def test_results_charge_explanations_to_the_rows_with_a_trained_model() -> None:
    names = ["weak_only", "weak_aligned", "strong_only", "collaborate", "self_refine"]
    rows = evaluate(
        TASK.test, make_methods(names, setting()), summaries={1: summary(4)}, explanations=EXPLAINED
    ).methods
    found = {name: row.preparation.calls["strong"] for name, row in rows.items() if row.preparation is not None}
    assert found == {"weak_only": 14, "weak_aligned": 14 + 8, "collaborate_sft": 14, "collaborate": 14 + 8}


def test_results_keep_it_apart_from_what_queries_take() -> None:
    methods = make_methods(["weak_only", "collaborate"], setting())
    plain = evaluate(TASK.test, methods).methods
    prepared = evaluate(TASK.test, methods, summaries={1: summary(4)}).methods
    assert {name for name, row in prepared.items() if row.preparation is not None} == {"collaborate"}
    assert prepared["collaborate"].preparation.calls == {"weak": 4, "strong": 8}
    for name, row in prepared.items():
        assert (row.calls, row.cost_usd) == (plain[name].calls, plain[name].cost_usd)
        assert plain[name].preparation is None
