"""The estimate: its bounds hold on a run that is then made, it spends nothing, and its sums can be done by hand."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from cowest import statistics
from cowest.cli import main as cli
from cowest.models import ModelConfig
from cowest.models.tokens import TokenCounter
from cowest.pipeline import Pipeline
from cowest.planning import Plan, make_plan, print_plan
from cowest.planning.power import sentence
from cowest.planning.table import shown_methods
from cowest.recipe import make_recipe
from cowest.types import ChatRequest, Completion, Example
from tests.methods.quiz import said
from tests.recipes import priced, recipe_of
from tests.worlds import Sums, gamble, sums, tree


def plan_of(folder: Path, **changes: Any) -> Plan:
    return make_plan(Pipeline(make_recipe(recipe_of(folder, **changes))))


def test_the_high_case_makes_every_call_of_algorithm_1(tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "run", judge="strong", feedback={"samples": 5}, evaluate={"methods": ["strong_only"]})
    feedback = plan.high.stages["feedback, round 1"]
    assert plan.num_queries == 20
    assert {role: spend.calls for role, spend in feedback.items()} == {
        "weak": 20 * 5,
        "strong": 20 * (1 + 5),
        "judge": 20 * (1 + 5),
    }
    assert plan.high.stages["evaluate"]["strong"].calls == 12 * 2


def test_a_labeller_is_planned_apart_from_the_strong_model(tmp_path: Path) -> None:
    labeller = priced(model="openai/labeller", budget_usd=0.5, sampling={"max_tokens": 2048})
    feedback = {"kind": "rlaif", "samples": 5, "labeller": labeller}
    plan = plan_of(tmp_path / "run", feedback=feedback)
    calls = {role: spend.calls for role, spend in plan.high.stages["feedback, round 1"].items()}
    assert calls == {"weak": 20 * 4, "labeller": 20 * 2 * 2}
    assert plan.budgets_usd == {"labeller": 0.5}
    # It may vote at once, or reason first.
    votes = [case.stages["feedback, round 1"]["labeller"].usage.completion_tokens for case in (plan.low, plan.high)]
    assert votes == [2 * 80, 350 * 80]
    labeller = labeller | {"sampling": {"max_tokens": 5}}
    short = plan_of(tmp_path / "run", feedback=feedback | {"labeller": labeller})
    assert short.high.stages["feedback, round 1"]["labeller"].usage.completion_tokens == 5 * 80
    assert plan.high.num_pairs > 0
    assert plan.high.cost_usd is not None
    of_another_kind = plan_of(tmp_path / "run", feedback=feedback | {"kind": "individual"})
    assert "labeller" not in {*of_another_kind.high.roles, *of_another_kind.tokens_from}


def test_the_low_case_saves_calls_unless_the_rules_are_off(tmp_path: Path) -> None:
    def low(skip: bool) -> int:
        plan = plan_of(tmp_path / "run", feedback={"samples": 5, "skip_settled": skip})
        return plan.low.stages["feedback, round 1"]["weak"].calls

    assert low(skip=True) < 20 * 5 * 0.75
    assert low(skip=False) == 20 * 5


def on_one_line(plan: Plan) -> str:
    text = io.StringIO()
    print_plan(plan, text)
    return " ".join(text.getvalue().split())


def test_drafts_until_a_pair_are_planned_as_at_most_all_and_the_mean_is_said_once_a_round_has_it(
    tmp_path: Path,
) -> None:
    recipe = make_recipe(recipe_of(tmp_path / "run", feedback={"samples": 5, "drafts": "until_pair"}))
    pipeline = Pipeline(recipe)
    plan, all_drafts = make_plan(pipeline), plan_of(tmp_path / "run", feedback={"samples": 5})
    calls = [each.stages["feedback, round 1"]["weak"].calls for each in (plan.low, all_drafts.low, plan.high)]
    assert calls == sorted(calls)
    assert calls[0] < calls[1]
    assert calls[2] == 20 * 5
    assert "at most 5 drafts each, until it has a pair (how many that takes, a round will show)" in on_one_line(plan)
    with pipeline:
        pipeline.feedback(1)
    summary = json.loads((tmp_path / "run/round-1/feedback/summary.json").read_text())
    plan = make_plan(pipeline)
    assert plan.measured["drafts a query"] == summary["num_drafts"] / 20
    assert "helped" not in plan.measured  # the last draft of a query has the sign that was missing
    assert f"({summary['num_drafts'] / 20:.1f} on average in the last round)" in on_one_line(plan)


def test_a_run_stays_within_its_plan(tmp_path: Path) -> None:
    recipe = make_recipe(recipe_of(tmp_path / "run", feedback={"samples": 5}))
    plan = make_plan(Pipeline(recipe))
    with Pipeline(recipe) as pipeline:
        pipeline.feedback(1)
    summary = json.loads((tmp_path / "run/round-1/feedback/summary.json").read_text())
    for role, high in plan.high.stages["feedback, round 1"].items():
        assert plan.low.stages["feedback, round 1"][role].calls * 0.6 <= summary["calls"][role] <= high.calls


def test_evaluation_pays_for_exactly_the_planned_calls(tmp_path: Path) -> None:
    recipe = make_recipe(recipe_of(tmp_path / "run"))
    plan = make_plan(Pipeline(recipe))
    with Pipeline(recipe) as pipeline:
        results = pipeline.evaluate()
        assert pipeline.context.paid_calls() == {
            role: spend.calls for role, spend in plan.high.stages["evaluate"].items()
        }
    assert list(results.methods) == plan.methods


def test_what_a_finished_round_measured_replaces_what_was_assumed(tmp_path: Path) -> None:
    recipe = make_recipe(recipe_of(tmp_path / "run", feedback={"samples": 5}))
    with Pipeline(recipe) as pipeline:
        pipeline.feedback(1)
    summary = json.loads((tmp_path / "run/round-1/feedback/summary.json").read_text())
    plan = make_plan(Pipeline(recipe))
    assert plan.measured["solved_alone"] == summary["num_solo_perfect"] / summary["num_examples"]
    assert plan.already_paid == {"weak": summary["calls"]["weak"], "strong": summary["calls"]["strong"]}
    assert plan.low.assumed["helped"] == plan.high.assumed["helped"] == plan.measured["helped"]


def test_money_is_tokens_times_price_and_time_is_the_tightest_limit(tmp_path: Path) -> None:
    strong = priced(requests_per_minute=60, max_concurrency=4)
    plan = plan_of(tmp_path / "run", strong=strong, judge="strong")
    for case in (plan.low, plan.high):
        spends = [case.roles["strong"], case.roles["judge"]]
        for spend in spends:
            expected = (spend.usage.prompt_tokens * 2.0 + spend.usage.completion_tokens * 10.0) / 1e6
            assert spend.cost_usd == pytest.approx(expected, rel=1e-6)
        calls = sum(spend.calls for spend in spends)
        assert case.wall_s == pytest.approx(max(calls * 60 / 60, calls * case.assumed["latency_s"] / 4))
    assert plan.low.cost_usd is not None
    assert plan.high.cost_usd is not None
    assert plan.low.cost_usd < plan.high.cost_usd


def test_several_endpoints_share_the_calls_and_are_named(tmp_path: Path) -> None:
    urls = ["http://127.0.0.1:8001/v1", "http://127.0.0.1:8002/v1"]
    one = plan_of(tmp_path / "run", strong=priced(requests_per_minute=60))
    two = plan_of(tmp_path / "run", strong=priced(requests_per_minute=60, base_url=urls))
    assert two.high.wall_s == pytest.approx(one.high.wall_s / 2)
    printed = io.StringIO()
    print_plan(two, printed)
    assert f"strong: 2 endpoints: {', '.join(urls)}." in printed.getvalue()


def test_models_in_this_process_are_named_and_no_time_is_claimed_for_them(tmp_path: Path) -> None:
    weak, strong = ({"model": f"local/cowest.lab:assets/{name}"} for name in ("weak", "strong-a"))
    printed = io.StringIO()
    print_plan(plan_of(tmp_path / "run", weak=weak, strong=strong), printed)
    headline, text = printed.getvalue().split("\n", 1)
    assert "all on this machine" in headline
    assert "endpoint" not in headline
    assert "On this machine: weak, strong." in text
    printed = io.StringIO()
    print_plan(plan_of(tmp_path / "run", weak=weak, strong=priced()), printed)
    headline, text = printed.getvalue().split("\n", 1)
    assert "at the endpoints" in headline
    assert "On this machine: weak." in text


def test_the_row_of_the_last_round_is_not_counted_beside_the_pairs_own(tmp_path: Path) -> None:
    evaluate = {"methods": ["weak_only", "strong_only", "collaborate"]}
    for rounds in (1, 2):
        plan = plan_of(
            tmp_path / "run", weak={"model": "local/cowest.lab:assets/weak"}, rounds=rounds, evaluate=evaluate
        )
        assert "collaborate_round_2" not in shown_methods(plan)
        assert [name for name in plan.methods if name not in shown_methods(plan)] == ["collaborate_round_2"][
            : rounds - 1
        ]


def test_what_cannot_be_done_without_log_probabilities_is_said(tmp_path: Path) -> None:
    printed = io.StringIO()
    print_plan(plan_of(tmp_path / "run", strong=priced(keep_logprobs=False)), printed)
    assert "not kept for strong: a gate cannot be calibrated" in " ".join(printed.getvalue().split())


def test_an_unknown_price_is_no_price(tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "run", strong=priced(price=None))
    assert plan.high.cost_usd is None
    printed = io.StringIO()
    print_plan(plan, printed)
    assert " ".join(printed.getvalue().split()).count("is not known. Give it") == 1
    assert "The price of strong" in printed.getvalue()


def test_what_a_round_may_spend_bounds_its_calls(tmp_path: Path) -> None:
    whole = plan_of(tmp_path / "run", strong=priced(sampling={"max_tokens": 50}))
    money = whole.high.stages["feedback, round 1"]["strong"].cost_usd
    assert money is not None
    part = plan_of(tmp_path / "run", strong=priced(sampling={"max_tokens": 50}), feedback={"spend": money / 4})
    planned = part.high.stages["feedback, round 1"]["strong"]
    assert planned.cost_usd == pytest.approx(money / 4)
    assert planned.calls == round(whole.high.stages["feedback, round 1"]["strong"].calls / 4)
    assert part.high.stages["evaluate"] == whole.high.stages["evaluate"]


def test_a_budget_below_the_high_case_is_said(tmp_path: Path) -> None:
    printed = io.StringIO()
    print_plan(plan_of(tmp_path / "run", strong=priced(budget_usd=0.0001, sampling={"max_tokens": 2048})), printed)
    assert "is above its budget of $0.0001" in printed.getvalue()


def test_max_tokens_bounds_a_reply(tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "run", strong=priced(sampling={"max_tokens": 50}))
    assert plan.high.assumed["tokens_a_reply"]["strong"] == 50


def test_plan_makes_nothing_and_prints_tables_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import yaml

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(recipe_of(tmp_path / "run", strong=priced())))
    before = tree(tmp_path)
    assert cli.main(["plan", str(recipe)]) == 0
    printed = capsys.readouterr().out
    assert "Nothing was spent." in printed
    assert "too few to show any difference with a power of 80%" in " ".join(printed.split())
    assert cli.main(["plan", str(recipe), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_queries"] == 10
    assert tree(tmp_path) == before


def test_a_plan_says_which_difference_the_examples_can_show(tmp_path: Path) -> None:
    power = plan_of(tmp_path / "run").power
    assert power.num_examples == plan_of(tmp_path / "run").num_evaluated
    groups = power.num_groups
    effect = 1.0 if groups is None else statistics.design_effect(power.num_examples, groups, 0.3)
    assert power.smallest_difference == (
        statistics.smallest_difference(power.num_examples, 0.1),
        statistics.smallest_difference(power.num_examples, 0.4, effect),
    )
    many = power.model_copy(update={"num_examples": 1000, "num_groups": 40, "smallest_difference": (0.028, None)})
    assert {"80%", "2.8 points", "none"} <= set(re.findall(r"80%|2\.8 points|none", sentence(many)))
    assert "40 groups" in sentence(many)
    few = sentence(power.model_copy(update={"num_examples": 2, "smallest_difference": (None, None)}))
    assert "2 examples" in few
    assert "too few" in few
    assert sentence(many.model_copy(update={"measured": "as it was."})).endswith("as it was.")


def test_tokens_are_counted_by_the_models_own_tokenizer_where_it_is_at_hand() -> None:
    lab = TokenCounter(ModelConfig(model="local/cowest.lab:assets/weak"))
    assert lab.how == "the model's tokenizer"
    assert lab.count("120 mg of the drug") < 12
    unknown = TokenCounter(ModelConfig(model="openai/some-model", base_url="http://127.0.0.1:9/v1"))
    assert unknown.count("x" * 400) == 100


def test_the_null_control_and_the_judges_repeats_are_planned(tmp_path: Path) -> None:
    judge = {"model": "scripted/tests.worlds:strong_reply", "repeats": 3, "sampling": {"temperature": 1.0}}
    plan = plan_of(tmp_path / "run", judge=judge, feedback={"samples": 5, "null_control": 8})
    feedback = plan.high.stages["feedback, round 1"]
    assert feedback["strong"].calls == 20 * (1 + 5) + 8
    assert feedback["judge"].calls == 3 * (20 * (1 + 5) + 8)


def test_batches_have_their_price_and_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    single = plan_of(tmp_path / "run", strong={"model": "openai/gpt-4.1"})
    batched = plan_of(tmp_path / "run", strong={"model": "openai/gpt-4.1", "batch": True})
    assert single.high.cost_usd is not None
    assert batched.high.cost_usd == pytest.approx(single.high.cost_usd / 2)
    assert (batched.high.wall_s, batched.batched) == (0.0, ["strong"])
    printed = io.StringIO()
    print_plan(batched, printed)
    assert "Through the batch interface: strong." in printed.getvalue()


class Later(Sums):
    """Sums from one number to another, so that splits can be apart: "20-150"."""

    def read(self, location: str) -> list[Example]:
        first, _, last = location.partition("-")
        return sums(int(last))[int(first) :]


def sure(request: ChatRequest) -> Completion:
    """For recipes: `scripted/tests.planning.test_planning:sure`."""
    if "Go on exactly" in request.messages[-1].content:
        return said("Answer: 1", 0.3)
    return said(gamble("sure", 0.5, request), 0.3)


def every_method(folder: Path, *methods: str) -> dict[str, Any]:
    (folder / "corpus.jsonl").write_text("".join(f'{{"text": "All about is {number} ."}}\n' for number in range(200)))
    model = {"model": "scripted/tests.planning.test_planning:sure"}
    task = {"name": "tests.planning.test_planning:Later", "train": "0-20", "test": "20-150"}
    return recipe_of(
        folder / "run",
        **{"task": task, "weak": model, "strong": model, "evaluate": {"methods": list(methods)}},
        retrieval={"corpus": str(folder / "corpus.jsonl")},
        feedback__queries_from="held_back",
    )


@pytest.mark.parametrize(
    ("method", "low", "high"),
    [
        ("self_refine", {"weak": (2, 5), "strong": (2, 5)}, {"weak": 130 * 9, "strong": 130 * 9}),
        # What is done once, for the 20 training rows or the 10 held back, does not grow with the 130 examples.
        ("skr", {"strong": (1, 2)}, {"strong": 20 * 2 + 130}),
        ("super_icl", {"weak": (1, 1.1), "strong": (1, 1)}, {"weak": 10 + 130, "strong": 130}),
        # A reply of the assumed 350 tokens has 19 sentences, each written twice.
        ("flare", {"strong": (4, 8)}, {"strong": 130 * 19 * 2}),
    ],
)
def test_every_method_can_be_planned(
    tmp_path: Path, method: str, low: dict[str, tuple[float, float]], high: dict[str, int]
) -> None:
    plan = make_plan(Pipeline(make_recipe(every_method(tmp_path, method))))
    assert {role: spend.calls for role, spend in plan.high.stages["evaluate"].items()} == high
    for role, (least, most) in low.items():
        assert least <= plan.low.stages["evaluate"][role].calls / 130 <= most
    assert not (tmp_path / "run").exists()


def test_all_methods_stay_within_their_plan(tmp_path: Path) -> None:
    recipe = make_recipe(every_method(tmp_path, "self_refine", "skr", "flare", "super_icl"))
    plan = make_plan(Pipeline(recipe))
    with Pipeline(recipe) as pipeline:
        results = pipeline.evaluate()
        paid = pipeline.context.paid_calls()
    assert set(paid) == {"weak", "strong"}
    for role, count in paid.items():
        assert count <= plan.high.stages["evaluate"][role].calls
    assert list(results.methods) == plan.methods
    assert not any(row.num_failed for row in results.methods.values())


@pytest.mark.parametrize(
    ("align", "said"),
    [
        ({}, ("pairs expected", "alignment by dpo;")),
        ({"pairs": "all"}, ("pairs expected", "alignment by dpo (pairs all);")),
        ({"method": "kto"}, ("drafts expected", "alignment by kto;")),
    ],
)
def test_the_plan_names_the_method_and_what_it_learns_from(
    tmp_path: Path, align: dict[str, Any], said: tuple[str, str]
) -> None:
    weak = {"model": "local/cowest.lab:assets/weak"}
    plan = plan_of(tmp_path / "run", weak=weak, align=align, feedback={"samples": 5, "queries": 10})
    printed = io.StringIO()
    print_plan(plan, printed)
    assert all(words in " ".join(printed.getvalue().split()) for words in said)


def test_rlaif_is_planned_with_two_votes_a_comparison(tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "run", feedback={"kind": "rlaif", "samples": 5, "queries": 10})
    spends = plan.high.stages["feedback, round 1"]
    assert {role: spend.calls for role, spend in spends.items()} == {"weak": 10 * 4, "strong": 10 * 2 * 2}
    assert 0 < plan.high.num_pairs <= 20


def test_rlwf_is_planned_with_its_annotators_drafts_and_no_call_of_the_strong_model(tmp_path: Path) -> None:
    weak = {"model": "local/cowest.lab:assets/weak"}
    plan = plan_of(tmp_path / "run", weak=weak, feedback={"kind": "rlwf", "samples": 5, "queries": 10}, rounds=2)
    for number in (1, 2):
        spends = plan.high.stages[f"feedback, round {number}"]
        assert {role: spend.calls for role, spend in spends.items()} == {"weak": 10 * 5}
    assert {role: spend.calls for role, spend in plan.high.stages["annotator"].items()} == {"weak": 10}
    assert plan.high.num_pairs == 2 * 10
