"""`sft.explanations: strong` in a recipe: what SFT trains on, what is paid, planned, shown and refused."""

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cowest import distributed
from cowest.bench.cells import sft_key
from cowest.doctor.data import check_data
from cowest.errors import BudgetError, InputError, TrainingError
from cowest.pipeline import Pipeline
from cowest.pipeline.explanations import training_rows
from cowest.planning import Plan, make_bench_plan, make_plan, print_plan
from cowest.recipe import Recipe, make_recipe
from cowest.records import ExplanationSummary
from cowest.report import collect, print_run, write_page
from cowest.runs import read_jsonl
from cowest.types import Example
from tests.endpoint.behaviour import Behaviour, Body
from tests.endpoint.running import Served, serving
from tests.recipes import recipe_of
from tests.training import tiny

NUM_ROWS, WRONG = 9, 4


def reply(body: Body) -> str:
    text = body["messages"][-1]["content"]
    number = int(re.findall(r"What is (\d+) plus", text)[0])
    if "The right result is" in text:
        return f"Explanation: Take {number} and count {number + 1} further."
    return f"Answer: {2 * number + 1 + (number == WRONG)}"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Behaviour(reply=reply)) as running:
        yield running


def recipe_with(folder: Path, base: Path, served: Served, **changes: Any) -> Recipe:
    strong = {
        "model": "openai/strong",
        "base_url": served.url,
        "api_key_env": "COWEST_TEST_KEY",
        "sampling": {"max_tokens": 100},
        "price": {"input": 10.0, "output": 20.0},
    }
    training = {"explanations": "strong", "batch_size": 4, "gradient_accumulation": 1}
    given = {"task__train": str(NUM_ROWS), "weak__model": f"local/{base}", "strong": strong, "sft": training}
    return make_recipe(recipe_of(folder, **given | changes))


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWEST_TEST_KEY", "secret")


def run_sft(recipe: Recipe) -> list[str]:
    said: list[str] = []
    with Pipeline(recipe, say=said.append) as pipeline:
        pipeline.sft()
    return said


def test_sft_trains_on_what_was_kept_and_a_second_call_pays_nothing(
    base: Path, served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # In this format only the rows with an explanation have a target at all.
    recipe = recipe_with(tmp_path / "run", base, served, format="domain_knowledge")
    plan = make_plan(Pipeline(recipe))
    said = run_sft(recipe)
    folder = tmp_path / "run"
    training = json.loads((folder / "sft/training.json").read_text())
    assert (training["num_rows"], training["num_untrainable"]) == (NUM_ROWS - 1, 1)
    assert [row["id"] for row in read_jsonl(folder / "sft/untrainable.jsonl")] == [f"sum-{WRONG}"]
    outcomes = {row["example_id"]: row["outcome"] for row in read_jsonl(folder / "sft/explanations/explanations.jsonl")}
    assert {id for id, outcome in outcomes.items() if outcome == "rejected"} == {f"sum-{WRONG}"}
    summary = ExplanationSummary.read(folder / "sft/explanations/summary.json")
    assert summary.calls == {"strong": 2 * NUM_ROWS}
    assert set(served.counts.served.values()) == {1}
    assert f"of {NUM_ROWS} rows without one 8 are kept, 1 rejected and 0 failed" in said[1]
    # The plan had it right, and the ledger has the same spend as the summary.
    for case in (plan.low, plan.high):
        assert case.stages["explanations"]["strong"].calls == 2 * NUM_ROWS
    found = collect(folder)
    assert found.calls == {"strong": 2 * NUM_ROWS}
    assert found.spend_usd == {"strong": pytest.approx(summary.cost_usd)}
    assert found.explanations == summary
    print_run(found)
    assert "9 rows: 8 kept, 1 rejected, 0 failed" in capsys.readouterr().out
    page = write_page(folder).read_text()
    assert "explanations by the strong model: 8 kept, 1 rejected, 0 failed" in page
    assert "Explanations for SFT" in page
    num_calls = served.counts.calls
    assert run_sft(recipe) == ["explanations: done before", "sft: done before"]
    # Made anew, they come from the ledger.
    before = (folder / "sft/explanations/explanations.jsonl").read_bytes()
    (folder / "sft/explanations/summary.json").unlink()
    assert run_sft(recipe)[-1] == "sft: done before"
    assert (folder / "sft/explanations/explanations.jsonl").read_bytes() == before
    assert served.counts.calls == num_calls


def test_results_charge_the_explanations_to_the_rows_whose_weak_model_was_trained(
    base: Path, served: Served, tmp_path: Path
) -> None:
    evaluation = {"methods": ["weak_only", "strong_only"], "limit": 2, "weak_sampling": {"max_tokens": 2}}
    with Pipeline(recipe_with(tmp_path, base, served, evaluate=evaluation)) as pipeline:
        pipeline.sft()
        rows = pipeline.evaluate().methods
    spent = ExplanationSummary.read(tmp_path / "sft/explanations/summary.json")
    paid = {name: row.preparation for name, row in rows.items() if row.preparation is not None}
    assert list(paid) == ["weak_only"]
    assert (paid["weak_only"].calls, paid["weak_only"].cost_usd) == ({"strong": 2 * NUM_ROWS}, spent.cost_usd)
    assert (paid["weak_only"].num_to_explain, spent.cost_usd is None) == (NUM_ROWS, False)


def test_a_budget_stops_it_and_a_larger_one_goes_on(base: Path, served: Served, tmp_path: Path) -> None:
    # One call at once, since calls in flight at the stop may be paid again.
    recipe = recipe_with(tmp_path, base, served, strong__max_concurrency=1)
    short = recipe.model_copy(update={"strong": recipe.strong.model_copy(update={"budget_usd": 0.01})})
    with pytest.raises(BudgetError):
        run_sft(short)
    assert 0 < served.counts.successes < 2 * NUM_ROWS
    assert not (tmp_path / "sft/training.json").exists()
    run_sft(recipe)
    assert (set(served.counts.served.values()), len(served.counts.served)) == ({1}, 2 * NUM_ROWS)


def test_failed_rows_are_counted_and_stay_as_they_are_once_sft_has_learned(
    base: Path, served: Served, tmp_path: Path
) -> None:
    def broken(body: Body, attempt: int) -> str | None:
        return "content_filter" if "What is 2 plus" in body["messages"][-1]["content"] else None

    served.behaviour.fault_of = broken
    recipe = recipe_with(tmp_path, base, served)
    said = run_sft(recipe)
    marker = tmp_path / "sft/explanations/summary.json"
    assert ExplanationSummary.read(marker).num_failed == 1
    assert "1 failed" in said[1]
    assert f"delete {str(marker)!r}" in said[1]
    assert json.loads((tmp_path / "sft/training.json").read_text())["num_rows"] == NUM_ROWS
    marker.unlink()
    with pytest.raises(InputError, match=r"has learned from the explanations.*run=NEW ledger="):
        run_sft(recipe)


def test_sft_that_began_without_explanations_refuses_before_anything_is_paid(
    base: Path, served: Served, tmp_path: Path
) -> None:
    run_sft(recipe_with(tmp_path, base, served, sft__explanations=None))
    with pytest.raises(InputError, match=r"another recipe.*explanations: None, now 'strong'"):
        run_sft(recipe_with(tmp_path, base, served))
    assert served.counts.calls == 0


def test_a_weak_model_that_cannot_be_trained_is_refused_before_anything_is_paid(served: Served, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        run_sft(recipe_with(tmp_path / "run", tmp_path / "nowhere", served))
    assert served.counts.calls == 0


@pytest.mark.parametrize("change", [{"strong__model": "openai/another"}, {"prompts": "own"}])
def test_explanations_belong_to_model_and_templates(
    change: dict[str, Any], base: Path, served: Served, tmp_path: Path
) -> None:
    run_sft(recipe_with(tmp_path / "run", base, served))
    num_calls = served.counts.calls
    if "prompts" in change:
        (tmp_path / "own").mkdir()
        (tmp_path / "own/explain.txt").write_text("{{ query }} The right result is: {{ reference }} Why?")
        change = {"prompts": str(tmp_path / "own")}
    other = recipe_with(tmp_path / "run", base, served).model_dump(mode="json", by_alias=True)
    for path, value in change.items():
        section, _, name = path.partition("__")
        other[section] = other[section] | {name: value} if name else value
    with pytest.raises(InputError, match="belongs to another recipe"):
        run_sft(make_recipe(other))
    assert served.counts.calls == num_calls


def test_a_checkpoint_as_it_is_needs_no_explanations(tmp_path: Path, base: Path, served: Served) -> None:
    with pytest.raises(InputError, match=r"sft: .*Leave out from or explanations"):
        recipe_with(tmp_path, base, served, sft={"from": "local/x", "explanations": "strong"})


def test_without_the_key_nothing_is_explained_or_planned(base: Path, served: Served, tmp_path: Path) -> None:
    recipe = recipe_with(tmp_path, base, served, sft__explanations=None)
    plan = make_plan(Pipeline(recipe))
    assert "explanations" not in plan.high.stages
    assert plan.num_to_explain == 0
    with Pipeline(recipe) as pipeline:
        assert training_rows(pipeline.context) is pipeline.context.data.sft()
    assert collect(tmp_path).explanations is None


def test_the_plan_says_how_many_rows_and_what_they_cost(
    base: Path, served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_with(tmp_path, base, served, task__train="300")
    plan: Plan = make_plan(Pipeline(recipe))
    spend = plan.high.stages["explanations"]["strong"]
    assert (plan.num_to_explain, spend.calls) == (300, 600)
    assert spend.cost_usd == pytest.approx(
        (10 * spend.usage.prompt_tokens + 20 * spend.usage.completion_tokens) / 1e6, rel=1e-3
    )
    assert plan.high.roles["strong"].calls >= 600
    print_plan(plan)
    assert "SFT on 300 rows, 300 of them explained by the strong model" in capsys.readouterr().out
    assert served.counts.calls == 0


def test_the_plan_of_a_bench_counts_what_its_cells_share_once(base: Path, served: Served, tmp_path: Path) -> None:
    def num_strong(explanations: str | None) -> int:
        formats = ["chain_of_thought", "direct_answer"]
        bench = {"methods": [], "kinds": ["rlaif"], "pairs": [1], "formats": formats, "probe": 0}
        recipe = recipe_with(tmp_path, base, served, bench=bench, sft__explanations=explanations)
        return make_bench_plan(recipe).high.roles["strong"].calls

    # One format has explanations, and the cells of a kind have the SFT of the run. An explanation takes two calls.
    assert num_strong("strong") - num_strong(None) == 2 * NUM_ROWS


def test_doctor_says_how_many_rows_are_to_be_explained(base: Path, served: Served, tmp_path: Path) -> None:
    def line(**changes: Any) -> tuple[str, str]:
        recipe = recipe_with(tmp_path, base, served, format="domain_knowledge", **changes)
        checks = check_data(Pipeline(recipe), num_shown=1)
        return next((check.mark, check.line) for check in checks if "give a target" in check.line)

    with_key, without = line(), line(sft__explanations=None)
    assert f"is to explain {NUM_ROWS}" in with_key[1]
    assert with_key[0] != without[0]


def test_equal_sft_of_two_strong_models_is_shared_unless_they_explain(
    base: Path, served: Served, tmp_path: Path
) -> None:
    def keys(explanations: str | None) -> list[str]:
        recipe = recipe_with(tmp_path, base, served, sft__explanations=explanations)
        other = recipe.model_copy(update={"strong": recipe.strong.model_copy(update={"model": "openai/other"})})
        return [sft_key(each) for each in (recipe, other)]

    assert len(set(keys(None))) == 1
    assert len(set(keys("strong"))) == 2


def test_the_annotator_of_rlwf_learns_from_the_same_rows(
    base: Path, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Example] = []

    def train(start: object, examples: Sequence[Example], **settings: object) -> None:
        given.extend(examples)
        raise TrainingError("enough")

    monkeypatch.setattr("cowest.pipeline.feedback.train_annotator", train)
    recipe = recipe_with(tmp_path, base, served, feedback={"kind": "rlwf", "queries": 6})
    run_sft(recipe)
    num_calls = served.counts.calls
    with Pipeline(recipe) as pipeline, pytest.raises(TrainingError, match="enough"):
        pipeline.feedback(1)
    assert len(given) == 6
    assert {bool(example.explanation) for example in given if example.id != f"sum-{WRONG}"} == {True}
    assert served.counts.calls == num_calls


def test_other_processes_wait_for_the_one_that_makes_the_calls(
    base: Path, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_with(tmp_path, base, served)
    with Pipeline(recipe) as main:
        rows = list(training_rows(main.context))
    marker = tmp_path / "sft/explanations/summary.json"
    text, num_calls = marker.read_text(), served.counts.calls
    marker.unlink()
    monkeypatch.setattr(distributed, "is_main_process", lambda: False)
    writer = threading.Timer(0.3, lambda: marker.write_text(text))
    started = time.monotonic()
    writer.start()
    with Pipeline(recipe) as other:
        assert list(training_rows(other.context)) == rows
    assert time.monotonic() - started >= 0.3
    assert served.counts.calls == num_calls
