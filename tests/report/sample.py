"""A run's folder as the stages write it, small and invented."""

import json
from pathlib import Path
from typing import Any

EVIL = "<script>alert('x')</script> [bold]{{ 7 * 7 }}[/bold]"


def _usage(calls: int) -> dict[str, int]:
    return {"prompt_tokens": 60 * calls, "completion_tokens": 25 * calls}


def _method(value: float, roles: list[str], cost: float | None, **more: Any) -> dict[str, Any]:
    return {
        "round": None,
        "metrics": {
            "exact_match": {"value": value, "ci95": [value - 0.045, value + 0.045]},
            "f1": {"value": value + 0.03, "ci95": [value - 0.015, value + 0.07]},
        },
        "num_failed": 0,
        "calls": dict.fromkeys(roles, 400),
        "usage": {role: _usage(400) for role in roles},
        "cost_usd": cost,
        "latency_s": {"p50": 0.84, "p95": 2.31},
        **more,
    }


def results() -> dict[str, Any]:
    return {
        "task": "ifqa",
        "metric": "exact_match",
        "num_examples": 400,
        "seed": 0,
        "rounds": 2,
        "wall_s": 95.0,
        "oracle_gap_closed": 0.65,
        "methods": {
            "weak_only": _method(0.33, ["weak"], 0.0),
            "strong_only": _method(0.355, ["strong"], 0.41),
            "collaborate_sft": _method(0.583, ["weak", "strong"], 0.62),
            "collaborate": _method(0.77, ["weak", "strong"], 0.64, num_failed=2),
        },
        "comparisons": [
            _comparison("collaborate", "weak_only", 0.44, [0.38, 0.5], 1e-9),
            _comparison("collaborate", "strong_only", 0.415, [0.36, 0.47], 1e-9),
            _comparison("collaborate", "collaborate_sft", 0.187, [0.13, 0.245], 1e-6),
        ],
    }


def _comparison(a: str, b: str, difference: float, ci95: list[float], p_value: float) -> dict[str, Any]:
    return {
        "a": a,
        "b": b,
        "metric": "exact_match",
        "difference": difference,
        "ci95": ci95,
        "p_value": p_value,
        "help_rate": max(0.0, difference) + 0.03,
        "harm_rate": 0.03,
    }


def summary(num_pairs: int = 612) -> dict[str, Any]:
    return {
        "kind": "collaborative",
        "num_examples": 400,
        "num_pairs": num_pairs,
        "num_drafts": 1721,
        "num_positive": 702,
        "num_negative": 1003,
        "num_unscored": 16,
        "num_failed": 1,
        "calls": {"weak": 1721, "strong": 2121, "judge": 2121},
        "usage": {role: _usage(1721) for role in ("weak", "strong", "judge")},
        "cost_usd": 3.1415,
        "wall_s": 214.0,
        "calls_saved": {"solo_perfect": {"drafts": 180}, "settled": {"drafts": 99}},
    }


def training(**more: Any) -> dict[str, Any]:
    return {
        "stage": "sft",
        "num_rows": 2000,
        "num_overlong": 3,
        "num_untrainable": 0,
        "num_steps": 250,
        "first_loss": 0.6931,
        "final_loss": 0.412,
        "wall_s": 83.0,
        "versions": {"torch": "2.13.0", "trl": "1.16.0"},
        **more,
    }


def predictions(method: str) -> list[dict[str, Any]]:
    together = method.startswith("collaborate")
    rows = []
    for number in range(6):
        correct = {0: together, 1: True, 2: not together, 3: together, 4: False, 5: together}[number]
        answer = "Orrin" if correct else "Belmoor"
        rows.append(
            {
                "id": f"q{number}",
                "method": method,
                "query": f"If the bridge of {number} arches had not been built, which town would be an island? {EVIL}",
                "reference": ["Orrin", "Old Orrin"],
                "draft": f"Explanation: The only dry way to Orrin was that bridge. {EVIL}\nAnswer: Orrin"
                if together
                else None,
                "output": f"Explanation: Without it there is no way across.\nAnswer: {answer}",
                "answer": answer,
                "correct": float(correct),
            }
        )
    return rows


def bench() -> dict[str, Any]:
    """A bench.json with all of its parts, some of which failed."""

    def point(name: str, value: float, **labels: Any) -> dict[str, Any]:
        return labels | {"name": name, "state": "done", "run": "x", "method": name} | _method(value, ["weak"], 0.4)

    def failed(name: str, reason: str, **labels: Any) -> dict[str, Any]:
        return labels | {"name": name, "state": "failed", "run": "x", "method": name, "reason": reason}

    four = {"weak_only": 0.33, "strong_only": 0.355, "collaborate_sft": 0.58, "collaborate": 0.7}
    contrasts = [{key: each[key] for key in ("a", "b", "difference", "ci95", "p_value")}
                 for each in results()["comparisons"]]  # fmt: skip
    return {
        "run": "x", "task": "ifqa", "metric": "exact_match", "num_examples": 400, "seed": 0,
        "rows": [
            *(point(name, row["metrics"]["exact_match"]["value"]) for name, row in results()["methods"].items()),
            point("rlwf_collaborate", 0.6), failed("rlaif_collaborate", "feedback gave\nno pair"),
        ],
        "sweeps": {
            "formats": [
                point("chain_of_thought, not aligned", 0.58, format="chain_of_thought", aligned=False),
                point("chain_of_thought, aligned", 0.7, format="chain_of_thought", aligned=True),
                point("direct_answer, not aligned", 0.5, format="direct_answer", aligned=False),
                failed("direct_answer, aligned", "no disk", format="direct_answer", aligned=True),
            ],
            "pairs": [point(f"{pairs} pairs", value, pairs=pairs)
                      for pairs, value in ((0, 0.58), (153, 0.66), (612, 0.7))],
            "models": [point(f"{row} (own, {strong})", value, weak="own", strong=strong, row=row)
                       for strong in ("own", "b") for row, value in four.items()],
            "rounds": [point(f"round {number}", 0.58 + 0.09 * number) | {"round": number} for number in range(3)],
        },
        "unhelpful_share": {"before": {"value": 0.61, "ci95": [0.55, 0.67], "num_examples": 200},
                            "after": {"value": 0.4, "ci95": [0.34, 0.46], "num_examples": 200}},
        "claims": [
            {"name": "collaboration_beats_each_alone", "statement": f"The pair does better than each alone. {EVIL}",
             "verdict": "reproduced", "p_value": 1e-9, "contrasts": contrasts[:2], "note": ""},
            {"name": "alignment_helps", "statement": "Alignment helps.", "verdict": "not reproduced", "p_value": 0.01,
             "contrasts": contrasts[2:], "note": ""},
            {"name": "fewer_unhelpful_drafts", "statement": "Fewer drafts are of no use.", "verdict": "inconclusive",
             "p_value": None, "contrasts": [], "note": "no drafts were graded"},
        ],
        "cells": {},
    }  # fmt: skip


def control(low: float) -> dict[str, Any]:
    """A null control whose difference has an interval from `low`."""
    return {
        "num_examples": 200,
        "num_left_out": 3,
        "positive_rate": {"value": 0.12, "ci95": [0.08, 0.17]},
        "real_positive_rate": {"value": 0.34, "ci95": [0.29, 0.39]},
        "difference": {"value": 0.22, "ci95": [low, 0.28], "p_value": 0.001},
    }


def agreement(concordance: float = 0.93) -> dict[str, Any]:
    """A judge that was compared with the metric."""
    shares = ((1, 1204, 0.04), (6, 80, 0.5), (10, 990, 0.97))
    calibration = [{"verdict": verdict, "num_outputs": number, "value": value, "ci95": [value - 0.03, value + 0.02]}
                   for verdict, number, value in shares]  # fmt: skip
    return {"metric": "exact_match", "num_outputs": 2274, "concordance": concordance, "length_correlation": 0.1,
            "calibration": calibration}  # fmt: skip


def answered(accuracy: float, cost: float, **shares: float) -> dict[str, Any]:
    """What some way to answer came to in a gate.json."""
    return {
        "accuracy": {"value": accuracy, "ci95": [accuracy - 0.05, accuracy + 0.05]},
        "cost_per_query": cost,
        "shares": {"draft": 0.0, "strong": 0.0, "both": 0.0} | shares,
    }


def _split(accuracy: float, cost: float) -> dict[str, Any]:
    return {
        "num_examples": 20,
        "num_failed": 0,
        "num_without_confidence": 0,
        "gate": answered(accuracy, cost, draft=0.5, both=0.5),
        "alone": {"draft": answered(0.5, 0.0001, draft=1.0), "both": answered(0.9, 0.004, both=1.0)},
    }


def gate(**changes: Any) -> dict[str, Any]:
    """A gate.json whose aim is met on validation and missed on test."""
    policy = {"cuts": [0.5], "arms": ["both", "draft"]}
    curve = [{"accuracy": 0.5 + 0.02 * step, "cost_per_query": 0.0001 * step, "policy": policy} for step in range(20)]
    validation = _split(0.9, 0.002) | {
        "cross_validated": answered(0.88, 0.0021, draft=0.4, both=0.6), "curve": curve, "cross_validated_curve": curve,
    }  # fmt: skip
    test = _split(0.85, 0.0022) | {"difference_to_both": {"difference": -0.05, "ci95": [-0.1, 0.0], "p_value": 0.0625}}
    return {
        "task": "ifqa", "metric": "exact_match", "cost_unit": "usd", "arms": ["draft", "both"], "met": True,
        "target": {"min_accuracy": 0.9, "max_cost_usd": None}, "min_accuracy": 0.9, "policy": policy,
        "validation": validation, "test": test,
        "made_of": {name: {"num_examples": 20, "sha256": "ab" * 32} for name in ("validation", "test")},
    } | changes  # fmt: skip


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_run(folder: Path, num_rounds: int = 2) -> Path:
    """Writes a finished run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(
        f"# cowest 0.1.0\nrun: {folder.name}\nrounds: {num_rounds}\ntask: {{name: ifqa}} # {EVIL}\n"
    )
    write_json(folder / "sft" / "training.json", training())
    for number in range(1, num_rounds + 1):
        feedback = folder / f"round-{number}" / "feedback"
        write_json(feedback / "summary.json", summary(612 if number == 1 else 388))
        (feedback / "failures.jsonl").write_text(json.dumps({"example_id": "q9", "reason": f"no reply {EVIL}"}) + "\n")
        write_json(folder / f"round-{number}" / "align" / "training.json", training(stage="align", num_rows=612))
    evaluate = folder / "evaluate"
    write_json(evaluate / "results.json", results())
    (evaluate / "predictions").mkdir()
    for method in results()["methods"]:
        lines = "".join(json.dumps(row) + "\n" for row in predictions(method))
        (evaluate / "predictions" / f"{method}.jsonl").write_text(lines, encoding="utf-8")
    return folder
