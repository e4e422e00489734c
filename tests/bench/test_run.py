"""A whole bench on a few rows of the lab: its files, what fails in it, what it shares, and going on after a stop."""

import itertools
import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cowest import progress
from cowest.bench import run as running
from cowest.bench import run_bench
from cowest.bench.cells import make_cells, make_pairs_cells
from cowest.cli import main as cli
from cowest.errors import BudgetError, InputError
from cowest.ledger import Ledger
from cowest.pipeline import Pipeline
from cowest.planning import BenchPlan, make_bench_plan
from cowest.recipe import Recipe
from cowest.records import BenchResults, EvaluationResults, FeedbackSummary
from cowest.runs import write_text
from tests.bench.recipes import KIND, METHOD, recipe_for, write_rows


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def data_of(place: Path) -> dict[str, Path]:
    return write_rows(place)


@pytest.fixture(scope="module")
def recipe(place: Path, data_of: dict[str, Path]) -> Recipe:
    return recipe_for(place / "run", data_of)


@pytest.fixture(scope="module")
def plan(recipe: Recipe) -> BenchPlan:
    return make_bench_plan(recipe)


@pytest.fixture(scope="module")
def paid() -> list[tuple[str, Counter[str]]]:
    """What the ledger held when each cell began, by role."""
    return []


@pytest.fixture(scope="module")
def bench(recipe: Recipe, plan: BenchPlan, paid: list[tuple[str, Counter[str]]], place: Path) -> BenchResults:
    def watch(line: str) -> None:
        if found := re.fullmatch(r"bench: (\S+) \(\d+ of \d+\)", line):
            paid.append((found[1], replies_by_role(place)))

    with progress.quietly():
        made = run_bench(recipe, say=watch)
    paid.append(("the end", replies_by_role(place)))
    return made


def replies_by_role(place: Path) -> Counter[str]:
    with sqlite3.connect(place / "run/ledger.sqlite") as connection:
        return Counter(
            dict(connection.execute("SELECT role, COUNT(*) FROM calls WHERE finished_at IS NOT NULL GROUP BY role"))
        )


def without_times(bench: BenchResults) -> BenchResults:
    cells = {name: cell.model_copy(update={"wall_s": None}) for name, cell in bench.cells.items()}
    return bench.model_copy(update={"cells": cells})


def test_rows_under_distinct_names_with_the_numbers_of_their_runs(bench: BenchResults, place: Path) -> None:
    rows = {row.name: row for row in bench.rows}
    assert list(rows) == [
        *("weak_only", "weak_only_base", "strong_only", "strong_only_direct", "collaborate_sft", "collaborate"),
        *("collaborative_weak_only", "oracle", METHOD),
        *("self_refine_strong (other)", "strong_only (other)", "strong_only_direct (other)"),
        *("rlwf_weak_only", "rlwf_collaborate"),
        *("rlaif_weak_only", "rlaif_collaborate", f"{KIND}_weak_only", f"{KIND}_collaborate"),
        *("aligned_rft_weak", "aligned_rft_pair"),
    ]
    results = EvaluationResults.read(place / "run/bench/kind-rlwf/evaluate/results.json")
    assert rows["rlwf_collaborate"].metrics == results.methods["collaborate"].metrics
    assert rows["rlwf_weak_only"].metrics == results.methods["weak_aligned"].metrics
    pair = EvaluationResults.read(place / "run/bench/models-own-other/evaluate/results.json")
    assert rows["strong_only (other)"].metrics == pair.methods["strong_only"].metrics


def test_aligned_rows_say_what_their_feedback_took(bench: BenchResults, place: Path) -> None:
    rows = {row.name: row for row in bench.rows if row.state == "done"}
    prepared = {name: row.preparation for name, row in rows.items() if row.preparation is not None}
    assert set(prepared) == {
        *("collaborate", "collaborative_weak_only", "rlwf_weak_only", "rlwf_collaborate"),
        *("aligned_rft_weak", "aligned_rft_pair"),
    }
    for name, folder in (("collaborate", place / "run"), ("rlwf_collaborate", place / "run/bench/kind-rlwf")):
        summary = FeedbackSummary.read(folder / "round-1/feedback/summary.json")
        assert prepared[name].calls == summary.calls
        assert prepared[name].cost_usd == summary.cost_usd
    line = next(line for line in (place / "run/bench/table.md").read_text().splitlines() if "| collaborate " in line)
    assert f" {sum(prepared['collaborate'].calls.values())} calls " in line


def test_a_row_that_fails_says_why_and_the_rest_go_on(bench: BenchResults) -> None:
    reasons = {row.name: row.reason or "" for row in bench.rows if row.state == "failed"}
    assert set(reasons) == {
        METHOD,
        *("rlaif_weak_only", "rlaif_collaborate"),
        *(f"{KIND}_weak_only", f"{KIND}_collaborate"),
    }
    assert reasons[METHOD] == "this method needs what there is not"
    assert reasons[f"{KIND}_collaborate"] == "ZeroDivisionError: a fault"
    assert "gave no pair" in reasons["rlaif_collaborate"]
    assert "neither 1 nor 2" in reasons["rlaif_collaborate"]


def test_every_file_is_there(bench: BenchResults, place: Path) -> None:
    folder = place / "run/bench"
    assert BenchResults.read(folder / "bench.json") == bench
    for name in ("rows", "formats", "pairs", "models", "rounds", "calls"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (folder / f"{name}.svg").read_text()
    table = (folder / "table.md").read_text()
    for row in bench.rows:
        assert f"| {row.name} " in table
    assert "failed: rlaif_collaborate: feedback gave no pair" in table
    assert "Table 1 on this task" in (place / "run/report.html").read_text()
    latex = (folder / "table.tex").read_text()
    assert r"rlwf\_collaborate & " in latex
    assert latex.count(r"\\") == len(bench.rows) + 1
    assert (folder / "cases.md").read_text().startswith("# Cases")


def test_no_call_is_paid_twice_and_all_belong_to_one_run(bench: BenchResults, place: Path) -> None:
    with sqlite3.connect(place / "run/ledger.sqlite") as connection:
        rows, keys, payers = connection.execute(
            "SELECT COUNT(*), COUNT(DISTINCT key), COUNT(DISTINCT run) FROM calls"
        ).fetchone()
        models = [model for (model,) in connection.execute("SELECT DISTINCT model FROM calls WHERE role = 'weak'")]
    assert rows == keys > 0
    # A linked model is known under its owner's name, so that its drafts are found again.
    assert not any("pairs-2/sft" in model or "method-" in model for model in models)
    assert payers == 1  # so that one budget holds for the whole bench
    ids = {file.read_text() for file in (place / "run").rglob(".run-id")}
    assert ids == {(place / "run/.run-id").read_text()}


def test_what_is_equal_is_trained_once(bench: BenchResults, place: Path) -> None:
    folder = place / "run/bench"
    own = (place / "run/sft").resolve()
    assert (folder / "kind-rlwf/sft").resolve() == own
    assert (folder / "pairs-2/sft").resolve() == own
    assert (folder / "models-own-other/sft").resolve() == own
    assert not (folder / "format-direct_answer/sft").is_symlink()
    assert (folder / "method-collaborate/round-1").resolve() == (place / "run/round-1").resolve()
    assert not (folder / "kind-rlwf/round-1").is_symlink()


def test_the_last_point_of_the_pairs_is_the_run_itself(bench: BenchResults, place: Path) -> None:
    pairs = len((place / "run/round-1/feedback/pairs.jsonl").read_text().splitlines())
    assert pairs > 2
    assert [point.pairs for point in bench.sweeps["pairs"]] == [0, 2, pairs]
    assert len((place / "run/bench/pairs-2/round-1/feedback/pairs.jsonl").read_text().splitlines()) == 2


def test_calls_of_a_method_are_those_of_a_run_by_itself(bench: BenchResults, place: Path) -> None:
    points = {point.name: point for point in bench.sweeps["calls"]}
    assert list(points) == ["before alignment", "own, 1 round", "rft, 1 round", "own, 4 queries", "rft, 4 queries"]
    assert points["before alignment"].paid_calls == {}
    calls = FeedbackSummary.read(place / "run/round-1/feedback/summary.json").calls
    paid = {role: calls[role] for role in ("strong", "judge")}
    # The second method found all of them in the ledger.
    assert points["own, 1 round"].paid_calls == points["rft, 1 round"].paid_calls == paid
    few = points["rft, 4 queries"].paid_calls
    assert few == points["own, 4 queries"].paid_calls
    assert 4 <= few["strong"] < paid["strong"]
    pair = EvaluationResults.read(place / "run/bench/align-rft/evaluate/results.json").methods["collaborate"]
    assert points["rft, 1 round"].metrics == pair.metrics


def test_every_cell_pays_within_its_plan(
    bench: BenchResults, plan: BenchPlan, paid: list[tuple[str, Counter[str]]]
) -> None:
    before = Counter[str]()
    starts = [("run", before), *paid]
    planned = {cell.name: cell for cell in plan.cells}
    assert [name for name, _ in starts[:-1]] == list(planned)
    for (name, start), (_, end) in itertools.pairwise(starts):
        low, high = planned[name].low.roles, planned[name].high.roles
        assert set(end - start) <= set(high)
        for role in high:
            count = end[role] - start[role]
            assert count <= high[role].calls, (name, role)
            # What feedback without a pair leaves out, no plan knows.
            assert low[role].calls <= count or name == "kind-rlaif", (name, role)
    _, total = paid[-1]
    for role, high in plan.high.roles.items():
        assert plan.low.roles[role].calls <= total[role] <= high.calls
    assert {cell.name: cell.reason for cell in plan.cells if cell.reason} == {
        f"method-{METHOD}".replace(":", "-"): "this method needs what there is not",
        f"kind-{KIND}".replace(":", "-"): "ZeroDivisionError: a fault",
    }
    # SFT in two formats, one alignment a cell that gives pairs, and RLWF's annotator.
    trainings = {cell.name: cell.num_trainings for cell in plan.cells if cell.num_trainings}
    assert trainings == {
        **{"run": 2, "kind-rlwf": 2, "kind-rlaif": 1, "format-direct_answer": 2},
        **{"align-rft": 1, "queries-own-4": 1, "queries-rft-4": 1, "models-own-other": 1, "pairs-2": 1},
    }


def test_what_is_done_is_planned_as_paid(bench: BenchResults, recipe: Recipe) -> None:
    plan = make_bench_plan(recipe)
    left = {
        cell.name: {role: spend.calls for role, spend in cell.high.roles.items() if spend.calls} for cell in plan.cells
    }
    # Only the cell whose feedback gave no pair is thought to have something left to measure.
    assert {name: calls for name, calls in left.items() if calls} == {"kind-rlaif": {"strong": 6, "weak": 6}}
    assert sum(cell.num_trainings for cell in plan.cells) == 1
    assert plan.not_looked_for == {}


def test_a_second_call_pays_nothing_trains_nothing_and_says_the_same(
    bench: BenchResults, recipe: Recipe, place: Path
) -> None:
    files = {path: path.stat().st_mtime_ns for path in (place / "run").rglob("training.json")}
    said: list[str] = []
    with sqlite3.connect(place / "run/ledger.sqlite") as connection:
        before = connection.execute("SELECT COUNT(*) FROM calls").fetchone()
    figures = {path.name: path.read_bytes() for path in (place / "run/bench").glob("*.svg")}
    with progress.quietly():
        again = run_bench(recipe, say=said.append)
    assert without_times(again) == without_times(bench)
    assert files == {path: path.stat().st_mtime_ns for path in (place / "run").rglob("training.json")}
    with sqlite3.connect(place / "run/ledger.sqlite") as connection:
        assert connection.execute("SELECT COUNT(*) FROM calls").fetchone() == before
    assert figures == {path.name: path.read_bytes() for path in (place / "run/bench").glob("*.svg")}
    assert "  evaluate: done before" in said


def test_a_stop_in_the_middle_ends_the_bench_and_the_next_call_goes_on(
    bench: BenchResults, recipe: Recipe, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "run/bench/method-strong_only/evaluate/results.json").unlink()

    def stop(self: Pipeline, *, force: bool = False) -> dict[str, Any]:
        raise BudgetError("the budget is reached")

    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "evaluate", stop)
        with pytest.raises(BudgetError), progress.quietly():
            run_bench(recipe)
    with progress.quietly():
        assert without_times(run_bench(recipe)) == without_times(bench)


def test_finished_results_of_other_settings_are_refused_before_anything_runs(
    data_of: dict[str, Path], tmp_path: Path
) -> None:
    recipe = recipe_for(tmp_path / "run", data_of, evaluate={"limit": 3})
    finished = Path(make_cells(recipe)[0].recipe.run) / "evaluate"
    finished.mkdir(parents=True)
    (finished / "results.json").write_text("{}")
    (finished / "inputs.json").write_text('{"evaluate": {"limit": 2}}')
    with pytest.raises(InputError, match=r"evaluate\.limit: 2, now 3.*--force"):
        run_bench(recipe)
    assert not (tmp_path / "run/sft").exists()
    assert (finished / "results.json").read_text() == "{}"


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_run_that_lost_its_id_goes_on_under_that_of_its_cells(
    data_of: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_shared: bool
) -> None:
    """Under two ids each would have the whole budget."""
    run, path = tmp_path / "run", tmp_path / "shared.sqlite" if is_shared else tmp_path / "run/ledger.sqlite"
    run.mkdir()
    for known in ["0123456789ab", *(["another"] if is_shared else [])]:
        with closing(Ledger(path, known)) as ledger:
            ledger.bookings.begin(counts_all=False)
    if is_shared:
        (run / "ledger.sqlite").symlink_to(path)
        write_text(run / "bench/method-oracle/.run-id", "0123456789ab\n")

    def stop(self: Pipeline) -> None:
        assert self.context.ledger.run == "0123456789ab"
        raise BudgetError("the budget is reached")

    monkeypatch.setattr(Pipeline, "train", stop)
    said: list[str] = []
    with pytest.raises(BudgetError), progress.quietly():
        run_bench(recipe_for(run, data_of, ledger=str(path) if is_shared else None), said.append)
    assert (run / ".run-id").read_text() == "0123456789ab\n"
    assert [line for line in said if "the run's id (.run-id) was missing" in line] == said[:1]


def test_a_weak_model_on_a_server_is_refused_before_anything_runs(data_of: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"A bench trains the weak model, but weak\.model is 'openai/w'"):
        run_bench(
            recipe_for(tmp_path / "run", data_of, weak={"model": "openai/w", "base_url": "http://127.0.0.1:9/v1"})
        )
    assert not (tmp_path / "run").exists()


def test_a_wrong_cell_is_refused_before_anything_runs(data_of: dict[str, Path], tmp_path: Path) -> None:
    wrong = recipe_for(tmp_path / "run", data_of, bench={"strong": {"own": {"model": "scripted/a:b"}}})
    with pytest.raises(InputError, match="cannot name a model 'own'"):
        run_bench(wrong)
    sections = {"weak": ("a", "a-b"), "strong": ("b-c", "c")}
    alike = {role: {name: {"model": "scripted/a:b"} for name in names} for role, names in sections.items()}
    with pytest.raises(InputError, match="'models-a-b-c': models 'a b-c' and models 'a-b c'"):
        run_bench(recipe_for(tmp_path / "run", data_of, bench=alike))
    with pytest.raises(InputError, match=r"bench\.kindz: there is no such key.*Did you mean 'kinds'"):
        recipe_for(tmp_path / "run", data_of, bench={"kindz": []})
    with pytest.raises(InputError, match=r"feedback\.kind is 'rlaif'.*bench\.kinds"):
        run_bench(recipe_for(tmp_path / "run", data_of, feedback={"kind": "rlaif"}))
    for bench in ({"kinds": ["individuel"]}, {"formats": ["chain"]}, {"methods": ["weak"]}):
        with pytest.raises(InputError, match="There is no"):
            run_bench(recipe_for(tmp_path / "run", data_of, bench=bench))
    assert not (tmp_path / "run/sft").exists()


def test_without_matplotlib_nothing_is_begun(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    monkeypatch.setattr(running, "make_cells", lambda recipe: pytest.fail("it went on"))
    with pytest.raises(InputError, match=r"pip install cowest\[bench\]"):
        run_bench(recipe)


def test_another_model_takes_nothing_from_the_section_it_replaces(data_of: dict[str, Path], tmp_path: Path) -> None:
    strong = {"model": "openai/a", "price": {"input": 1.0, "output": 2.0}, "base_url": "http://127.0.0.1:9/v1"}
    bench = {"strong": {"other": {"model": "openai/b"}}}
    recipe = recipe_for(tmp_path / "run", data_of, strong=strong, bench=bench)
    (cell,) = [cell for cell in make_cells(recipe) if cell.purpose == "models"]
    assert cell.recipe.strong.model == "openai/b"
    assert (cell.recipe.strong.price, cell.recipe.strong.base_url) == (None, None)
    assert cell.recipe.weak == recipe.weak


def test_pairs_by_default_are_a_quarter_and_half(data_of: dict[str, Path], tmp_path: Path) -> None:
    recipe = recipe_for(tmp_path / "run", data_of, bench={})
    assert [cell.recipe.feedback.max_pairs for cell in make_pairs_cells(recipe, 40)] == [10, 20]
    assert make_pairs_cells(recipe, 1) == []


def test_the_command(bench: BenchResults, recipe: Recipe, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = place / "recipe.yaml"
    file.write_text(json.dumps(recipe.model_dump(mode="json", by_alias=True)))
    assert cli.main(["bench", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "the paper's claims on this task" in printed
    assert "| rlwf_collaborate " in printed
    assert str(place / "run/bench") in printed
