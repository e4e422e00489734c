"""bench.json computed by hand on a small case: rows, sweeps, shares and claims."""

import math
from pathlib import Path

import pytest
import scipy.stats

from cowest.bench.cells import make_cells, make_pairs_cells
from cowest.bench.outcomes import CellResult, Probe, SeedRun
from cowest.bench.points import unhelpful_shares
from cowest.bench.summary import summarise
from cowest.recipe import Recipe, make_recipe
from cowest.records import BenchResults, BenchRow, Estimate, EvaluationResults, MethodResult, Prediction, Preparation
from cowest.runs import write_jsonl
from cowest.types import Draft, GradedDraft, GradedExample, Verdict
from tests.recipes import recipe_of

NUM = 20


def cell_result(folder: Path, **right: int) -> CellResult:
    """A run whose methods get their first so many examples right."""
    methods = {}
    for method, count in right.items():
        rows = [prediction(method, f"e{index}", correct=float(index < count)) for index in range(NUM)]
        write_jsonl(folder / "evaluate/predictions" / f"{method}.jsonl", rows)
        share, rounds = count / NUM, {"collaborate_round_1": 1, "collaborate_round_2": 2}.get(method, 0)
        methods[method] = MethodResult(
            metrics={"accuracy": Estimate(value=share, ci95=(share - 0.1, share + 0.1))},
            calls={"strong": NUM},
            cost_usd=0.5,
            preparation=Preparation(calls={"weak": 900, "strong": 60 * rounds, "judge": 50}) if rounds else None,
        )
    results = EvaluationResults(task="sums", metric="accuracy", num_examples=NUM, methods=methods)
    return CellResult(folder, results)


def prediction(method: str, name: str, correct: float, error: str | None = None) -> Prediction:
    return Prediction(id=name, method=method, query="q", reference=("1",), correct=correct, error=error)


def recipe_for(folder: Path) -> Recipe:
    bench = {
        "methods": [],
        "kinds": ["individual", "rlaif"],
        "formats": ["direct_answer", "chain_of_thought"],
        "pairs": [4, 8, 400],
        "align": ["rft"],
        "queries": [40],
        "strong": {"other": {"model": "scripted/tests.worlds:strong_reply"}},
    }
    return make_recipe(recipe_of(folder, bench=bench, rounds=2))


def graded(gains: dict[str, list[int | None]]) -> list[GradedExample]:
    def draft(index: int, gain: int | None) -> GradedDraft:
        verdict = Verdict(score=5) if gain is not None else Verdict(unscored_reason="x")
        return GradedDraft(draft=Draft(text="d", sample_index=index), refined="r", verdict=verdict, gain=gain)

    return [
        GradedExample(
            example_id=name,
            query="q",
            solo="z",
            solo_verdict=Verdict(score=5),
            drafts=tuple(draft(index, gain) for index, gain in enumerate(values)),
        )
        for name, values in gains.items()
    ]


@pytest.fixture
def bench(tmp_path: Path) -> BenchResults:
    recipe = recipe_for(tmp_path)
    cells = [*make_cells(recipe), *make_pairs_cells(recipe, 30)]
    right = {
        "method-weak_only": {"weak_only": 5, "weak_only_base": 1},
        "method-strong_only": {"strong_only": 4, "strong_only_direct": 3},
        "method-collaborate": {
            **{"collaborate_sft": 10, "collaborate_round_1": 17, "collaborate_round_2": 19, "collaborate": 19}
        },
        "method-weak_aligned": {"weak_aligned": 6},
        "kind-individual": {"collaborate_sft": 10, "collaborate": 11, "weak_aligned": 7},
        "align-rft": {"collaborate_sft": 10, "collaborate_round_1": 8, "collaborate": 12, "weak_aligned": 4},
        "queries-own-40": {"collaborate_sft": 10, "collaborate": 14},
        "format-direct_answer": {"collaborate_sft": 9, "collaborate": 8},
        "models-own-other": {"weak_only": 5, "strong_only": 14, "collaborate_sft": 10, "collaborate": 9},
        "pairs-4": {"collaborate_sft": 10, "collaborate": 7},
        "pairs-8": {"collaborate_sft": 10, "collaborate": 18},
    }
    results = {name: cell_result(tmp_path / name, **counts) for name, counts in right.items()}
    results["kind-rlaif"] = CellResult(tmp_path / "kind-rlaif", reason="no vote could be read")
    names = {cell.name for cell in cells}
    results["queries-rft-40"] = CellResult(tmp_path / "queries-rft-40", reason="no disk")
    assert names == set(results)
    for folder in ("round-1", "round-2", "bench/align-rft/round-1"):
        write_jsonl(tmp_path / folder / "feedback/graded.jsonl", [])
    probe = Probe(
        before=graded({f"e{index}": [0, -1, None, 3] for index in range(12)}),
        after=graded({f"e{index}": [0, 1, None, 3] for index in range(12)}),
    )
    return summarise([SeedRun(recipe, cells, results, probe, {"collaborative": 30})])


def value(point: BenchRow) -> float | None:
    return point.metrics["accuracy"].value if point.state == "done" else None


def test_rows(bench: BenchResults) -> None:
    assert {row.name: value(row) for row in bench.rows} == {
        "weak_only": 0.25,
        "weak_only_base": 0.05,
        "strong_only": 0.2,
        "strong_only_direct": 0.15,
        "collaborate_sft": 0.5,
        "collaborate_round_1": 0.85,
        "collaborate_round_2": 0.95,
        "collaborate": 0.95,
        "collaborative_weak_only": 0.3,
        "individual_weak_only": 0.35,
        "individual_collaborate": 0.55,
        "aligned_rft_weak": 0.2,
        "aligned_rft_pair": 0.6,
        "rlaif_weak_only": None,
        "rlaif_collaborate": None,
    }
    assert [row.reason for row in bench.rows if row.state == "failed"] == ["no vote could be read"] * 2
    assert (bench.task, bench.metric, bench.num_examples) == ("sums", "accuracy", NUM)


def test_sweeps(bench: BenchResults) -> None:
    sweeps = bench.sweeps
    assert [(p.format, p.aligned, value(p)) for p in sweeps["formats"]] == [
        ("chain_of_thought", False, 0.5),
        ("chain_of_thought", True, 0.85),  # after one round, as in the other formats
        ("direct_answer", False, 0.45),
        ("direct_answer", True, 0.4),
    ]
    assert [(p.pairs, value(p)) for p in sweeps["pairs"]] == [(0, 0.5), (4, 0.35), (8, 0.9), (30, 0.85)]
    assert [(p.round, value(p)) for p in sweeps["rounds"]] == [(0, 0.5), (1, 0.85), (2, 0.95)]
    assert [(p.strong, p.row, value(p)) for p in sweeps["models"]] == [
        ("own", "weak_only", 0.25),
        ("own", "strong_only", 0.2),
        ("own", "collaborate_sft", 0.5),
        ("own", "collaborate", 0.85),
        ("other", "weak_only", 0.25),
        ("other", "strong_only", 0.7),
        ("other", "collaborate_sft", 0.5),
        ("other", "collaborate", 0.45),
    ]


def test_accuracy_against_paid_calls(bench: BenchResults) -> None:
    points = [(p.name, p.alignment, p.round, p.queries, value(p), p.num_paid_calls) for p in bench.sweeps["calls"]]
    assert points == [
        ("before alignment", None, 0, None, 0.5, 0),
        ("own, 1 round", "own", 1, None, 0.85, 110),
        ("own, 2 rounds", "own", 2, None, 0.95, 170),
        ("rft, 1 round", "rft", 1, None, 0.4, 110),
        ("own, 40 queries", "own", 1, 40, 0.7, None),  # its calls are not known
        ("rft, 40 queries", "rft", 1, 40, None, None),
    ]
    assert bench.sweeps["calls"][1].paid_calls == {"strong": 60, "judge": 50}
    assert bench.sweeps["calls"][-1].reason == "no disk"


def _p_value(num_only_one: int, num: int = 20) -> float:
    """Where one is right on so many of the examples more, and never wrong where the other is right; one row added."""
    mean, square = num_only_one / (num + 1), (num_only_one + 1) / (num + 1)
    return float(2 * scipy.stats.t(num - 1).sf(mean / math.sqrt((square - mean**2) / (num + 1))))


def test_claims(bench: BenchResults) -> None:
    claims = {claim.name: claim for claim in bench.claims}
    assert {name: claim.verdict for name, claim in claims.items()} == {
        "collaboration_beats_each_alone": "reproduced",
        "unaligned_collaboration_beats_each_alone": "reproduced",
        "collaboration_beats_rlaif": "inconclusive",  # it failed
        "alignment_helps": "reproduced",
        "alignment_helps_in_every_format": "inconclusive",
        "collaborative_feedback_beats_other_kinds": "inconclusive",  # one kind failed and could have spoken against it
        "chain_of_thought_is_best": "reproduced",
        "more_capable_strong_model_gains_more": "not reproduced",  # 9 right with the better one, 17 with the other
        "more_pairs_help": "reproduced",
        "fewer_unhelpful_drafts": "reproduced",
    }
    # 19 right beside 10 right: nine examples on which they disagree, all one way.
    assert claims["alignment_helps"].contrasts[0].difference == pytest.approx(0.45)
    assert claims["alignment_helps"].p_value == pytest.approx(_p_value(9))
    assert [each.b for each in claims["collaboration_beats_each_alone"].contrasts] == [
        "weak_only",
        "weak_only_base",
        "strong_only",
        "strong_only_direct",
    ]
    assert claims["collaboration_beats_each_alone"].p_value == pytest.approx(_p_value(14))
    assert claims["collaborative_feedback_beats_other_kinds"].note == "not measured: rlaif_collaborate"
    (better,) = claims["more_capable_strong_model_gains_more"].contrasts
    assert (better.a, better.b) == ("collaborate (own, other)", "collaborate (own, own)")
    assert claims["more_pairs_help"].note == "best with 8 pairs"
    assert claims["collaboration_beats_rlaif"].note == "not measured: rlaif_collaborate, rlaif_weak_only"
    ordered = sorted((claim for claim in claims.values() if claim.p_value is not None), key=lambda each: each.p_value)
    assert len(ordered) == len(claims) - 1
    assert [claim.p_holm for claim in ordered[:2]] == pytest.approx(
        [9 * ordered[0].p_value, max(9 * ordered[0].p_value, 8 * ordered[1].p_value)]
    )
    assert all(claim.p_value <= claim.p_holm <= 1 for claim in ordered)
    assert claims["more_pairs_help"].p_value == pytest.approx(2 * _p_value(11))


def test_the_share_of_unhelpful_drafts(bench: BenchResults) -> None:
    assert unhelpful_shares(graded({"a": [0, -1, None, 3], "b": [None], "c": [4]})) == {"a": 2 / 3, "c": 0.0}
    assert bench.unhelpful_share["before"].value == pytest.approx(2 / 3)
    assert bench.unhelpful_share["after"].value == pytest.approx(1 / 3)
    assert bench.unhelpful_share["before"].num_examples == 12


def test_a_method_that_fails_on_every_example_is_a_failed_row(tmp_path: Path) -> None:
    recipe = recipe_for(tmp_path)
    cells = [cell for cell in make_cells(recipe) if cell.name == "method-weak_only"]
    failed = cell_result(tmp_path / "method-weak_only", weak_only=0)
    assert failed.results is not None
    row = failed.results.methods["weak_only"].model_copy(update={"num_failed": NUM})
    failed.results = failed.results.model_copy(update={"methods": {"weak_only": row}})
    rows = [prediction("weak_only", "e0", 0.0, error="it gives no log-probs")]
    write_jsonl(failed.folder / "evaluate/predictions/weak_only.jsonl", rows)
    found = summarise([SeedRun(recipe, cells, {"method-weak_only": failed}, None, {})])
    (shown,) = found.rows
    assert shown.state == "failed"
    assert "every example" in (shown.reason or "")
    assert "no log-probs" in (shown.reason or "")
    assert {claim.verdict for claim in found.claims} == {"inconclusive"}
    assert all(claim.p_value is None and claim.note for claim in found.claims)
