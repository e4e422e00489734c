"""A bench with several seeds: rows as means over them, claims in every metric, and a real one that is stopped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cowest import progress, statistics
from cowest.bench import run_bench
from cowest.bench.cells import make_cells
from cowest.bench.measured import Measured, with_repeats
from cowest.bench.outcomes import CellResult, SeedRun
from cowest.bench.summary import summarise
from cowest.bench.table import markdown_table
from cowest.errors import BudgetError
from cowest.pipeline import Pipeline
from cowest.recipe import Recipe, make_recipe
from cowest.records import BenchResults, Claim, Estimate, EvaluationResults, MethodResult, Prediction
from cowest.runs import write_jsonl
from tests.bench.recipes import recipe_for, write_rows
from tests.recipes import recipe_of

NUM = 20
UNTRAINED = ("strong_only", "skr")


def cell_result(folder: Path, right: dict[str, int], *, with_f1: bool) -> CellResult:
    """Methods that get their first so many examples right; F1 is half the accuracy."""
    methods = {}
    for method, count in right.items():
        rows = []
        for index in range(NUM):
            correct = float(index < count)
            scores = {"accuracy": correct} | ({"f1": correct / 2} if with_f1 else {})
            rows.append(
                Prediction(
                    id=f"e{index}", method=method, query="q", reference=("1",), correct=correct, scores=scores,
                    group=f"g{index % 10}",
                )
            )  # fmt: skip
        write_jsonl(folder / "evaluate/predictions" / f"{method}.jsonl", rows)
        share = count / NUM
        metrics = {name: Estimate(value=share) for name in rows[0].scores}
        calls = {"strong": NUM} | ({} if method in UNTRAINED else {"weak": NUM})
        methods[method] = MethodResult(metrics=metrics, calls=calls, num_unparsed=NUM - count, unparsed_share=1 - share)
    return CellResult(folder, EvaluationResults(task="sums", metric="accuracy", num_examples=NUM, methods=methods))


def seed_run(
    place: Path, seed: int, right: dict[str, dict[str, int]], methods: Sequence[str] = ("skr",), **pairs: int
) -> SeedRun:
    bench = {
        "methods": methods,
        "kinds": ["rlaif"],
        "formats": [],
        "strong": {"other": {"model": "scripted/tests.worlds:strong_reply"}},
        "strong_rows": {"other": [*methods, "strong_only"]},
    }
    recipe = make_recipe(recipe_of(place / str(seed), bench=bench, seed=seed))
    results = {name: cell_result(place / str(seed) / name, counts, with_f1=True) for name, counts in right.items()}
    return SeedRun(recipe, make_cells(recipe), results, None, pairs)


def cells_with(sft: int, aligned: int, rlaif: int, fewest: int = 12) -> dict[str, dict[str, int]]:
    return {
        "method-weak_only": {"weak_only": 2},
        "method-collaborate": {"collaborate_sft": sft, "collaborate": aligned},
        "method-weak_aligned": {"weak_aligned": 3},
        "kind-rlaif": {"collaborate": rlaif, "weak_aligned": 2},
        f"equal-collaborative-{fewest}": {"collaborate": aligned - 2},
    }


@pytest.fixture
def bench(tmp_path: Path) -> BenchResults:
    first = cells_with(10, 18, 11) | {
        "method-strong_only": {"strong_only": 4},
        "method-skr": {"skr": 5},
        "strong-skr-other": {"skr": 6},
        "strong-strong_only-other": {"strong_only": 7},
    }
    runs = [
        seed_run(tmp_path, 0, first, collaborative=30, rlaif=12),
        seed_run(tmp_path, 1, cells_with(11, 19, 10, fewest=14), collaborative=28, rlaif=14),
        seed_run(tmp_path, 2, cells_with(9, 17, 12, fewest=9), collaborative=33, rlaif=9),
    ]
    return summarise(runs)


def claim_of(bench: BenchResults, name: str) -> Claim:
    (found,) = [claim for claim in bench.claims if claim.name == name]
    return found


def test_rows_that_train_are_means_over_seeds(bench: BenchResults) -> None:
    rows = {row.name: row for row in bench.rows}
    pair = rows["collaborate"]
    assert pair.by_seed == {"0": 0.9, "1": 0.95, "2": 0.85}
    assert (pair.metrics["accuracy"].value, pair.metrics["f1"].value) == (pytest.approx(0.9), pytest.approx(0.45))
    assert (pair.num_unparsed, pair.unparsed_share) == (3, pytest.approx(3 / NUM))  # of the seed with the most
    one = statistics.mean_interval([float(index < 18) for index in range(NUM)], [f"g{i % 10}" for i in range(NUM)])
    low, high = pair.metrics["accuracy"].ci95
    assert high - low > one.high - one.low  # seeds differ
    assert [name for name, row in rows.items() if row.by_seed is None] == [
        *("strong_only", "skr", "skr (other)", "strong_only (other)"),
        *(name for name, row in rows.items() if row.state == "failed"),
    ]
    assert bench.seeds == [0, 1, 2]
    table = markdown_table(bench)
    assert "3 training seeds" in table
    line = next(line for line in table.splitlines() if line.startswith("| collaborate "))
    assert [cell.strip() for cell in line.split("|")][4] == "3"
    assert BenchResults.model_validate(bench.to_json()) == bench


def test_claims_are_over_seeds_in_every_metric_and_with_further_strong_models(bench: BenchResults) -> None:
    skr = claim_of(bench, "collaboration_beats_skr")
    assert [(each.b, each.metric, each.num_seeds, each.difference) for each in skr.contrasts] == [
        ("skr", "accuracy", 3, pytest.approx(0.65)),
        ("skr", "f1", 3, pytest.approx(0.325)),
        ("skr (other)", "accuracy", 3, pytest.approx(0.6)),
        ("skr (other)", "f1", 3, pytest.approx(0.3)),
    ]
    assert skr.verdict == "reproduced"
    each_alone = claim_of(bench, "collaboration_beats_each_alone")
    assert {each.b for each in each_alone.contrasts} == {"weak_only", "strong_only", "strong_only (other)"}
    unaligned = claim_of(bench, "unaligned_collaboration_beats_each_alone")
    assert unaligned.contrasts[0].difference == pytest.approx(0.4)
    assert {each.b for each in claim_of(bench, "collaboration_beats_rlaif").contrasts} == {
        *("rlaif_weak_only", "rlaif_collaborate"),
    }
    assert not [claim for claim in bench.claims if claim.name == "collaboration_beats_flare"]  # it has no such row
    # The headline of a run that was not evaluated itself takes the contrasts of its own metric.
    comparison = bench.as_results().compare("collaborate", "weak_only")
    assert comparison is not None
    assert comparison.difference == pytest.approx(0.8)


def test_equal_pairs_are_compared_after_one_round(bench: BenchResults) -> None:
    shown = [(point.kind, point.pairs, point.by_seed) for point in bench.sweeps["equal_pairs"]]
    assert shown == [
        ("collaborative", 12, {"0": 0.8, "1": 0.85, "2": 0.75}),
        ("rlaif", 12, {"0": 0.55, "1": 0.5, "2": 0.6}),
    ]
    claim = claim_of(bench, "collaborative_feedback_beats_other_kinds_with_equal_pairs")
    assert [each.difference for each in claim.contrasts] == pytest.approx([0.25, 0.125])


def test_a_cell_of_self_refine_that_failed_leaves_its_claim_open(tmp_path: Path) -> None:
    """Which rows it would have had is not known then: one of each model, or of one only."""

    def claim(failed: str, **others: dict[str, int]) -> Claim:
        run = seed_run(tmp_path / failed, 0, cells_with(10, 18, 11) | others, methods=["self_refine"])
        run.cell_results[failed].results, run.cell_results[failed].reason = None, "a fault"
        return claim_of(summarise([run]), "collaboration_beats_self_refine")

    own = {"self_refine_weak": 4, "self_refine_strong": 5}
    alone = claim("method-self_refine", **{"method-self_refine": own})
    assert (alone.verdict, alone.note) == ("inconclusive", "not measured: self_refine, self_refine (other)")
    assert alone.contrasts == []
    other = {"method-self_refine": own, "strong-self_refine-other": {"self_refine_strong": 6}}
    beside = claim("strong-self_refine-other", **other)
    assert (beside.verdict, beside.note) == ("inconclusive", "not measured: self_refine (other)")
    assert {each.b for each in beside.contrasts} == set(own)


def test_equal_pairs_of_a_kind_from_a_module_of_ones_own_are_found(tmp_path: Path) -> None:
    first = cells_with(10, 18, 11) | {"equal-some.module-Kind-12": {"collaborate": 13}}
    own_fewest = cells_with(10, 18, 11) | {"kind-some.module-Kind": {"collaborate": 9}}
    for right, num_pairs, value in ((first, 14, 0.65), (own_fewest, 12, 0.45)):
        run = seed_run(tmp_path / str(num_pairs), 0, right, **{"collaborative": 12, "some.module:Kind": num_pairs})
        point = summarise([run]).sweeps["equal_pairs"][-1]
        assert (point.kind, point.metrics["accuracy"].value) == ("some.module:Kind", pytest.approx(value))


def test_paid_calls_are_the_mean_of_the_seeds(tmp_path: Path) -> None:
    numbers = MethodResult(calls={"weak": 1, "strong": 1})
    first, second, lost = (
        Measured("rft, 1 round", tmp_path, "collaborate", numbers, seed=seed, paid_calls=paid)
        for seed, paid in enumerate(({"strong": 10, "judge": 4}, {"strong": 13, "judge": 4}, None))
    )
    assert with_repeats(first, [second]).as_row().paid_calls == {"strong": 11.5, "judge": 4}
    assert with_repeats(first, [lost]).as_row().paid_calls == {"strong": 10, "judge": 4}  # of those that are known
    assert lost.as_row().paid_calls is None


def test_a_seed_that_failed_is_named_and_does_not_count(tmp_path: Path) -> None:
    broken = seed_run(tmp_path, 1, cells_with(11, 19, 10))
    broken.cell_results["method-collaborate"].results = None
    broken.cell_results["method-collaborate"].reason = "a fault"
    found = summarise([seed_run(tmp_path, 0, cells_with(10, 18, 11)), broken])
    (pair,) = [row for row in found.rows if row.name == "collaborate"]
    assert (pair.by_seed, pair.failed_seeds) == (None, {"1": "a fault"})
    assert "failed with seed 1, which does not count: collaborate: a fault" in markdown_table(found)
    (helps,) = claim_of(found, "alignment_helps").contrasts[:1]
    assert helps.num_seeds == 1


def small(place: Path, **changes: Any) -> Recipe:
    bench = {"methods": [], "kinds": ["individual"], "formats": [], "pairs": [2], "probe": 2, "seeds": 2}
    return recipe_for(place / "run", write_rows(place), bench=bench | changes)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_bench_with_two_seeds_goes_on_after_a_stop_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_place, stopped_place = tmp_path / "whole", tmp_path / "stopped"
    for place in (whole_place, stopped_place):
        place.mkdir()
    with progress.quietly():
        whole = run_bench(small(whole_place))
        align = Pipeline.align

        def stop(self: Pipeline, *arguments: Any, **options: Any) -> Any:
            if self.recipe.seed == 1:
                raise BudgetError("the budget is reached")
            return align(self, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(Pipeline, "align", stop)
            with pytest.raises(BudgetError):
                run_bench(small(stopped_place))
        resumed = run_bench(small(stopped_place))
    pair = next(row for row in whole.rows if row.name == "collaborate")
    assert set(pair.by_seed or {}) == {"0", "1"}
    assert (whole_place / "run/bench/seed-1/bench/kind-individual/evaluate/results.json").is_file()
    assert [row.by_seed for row in resumed.rows] == [row.by_seed for row in whole.rows]
    assert resumed.claims == whole.claims
