"""A run's folder as the stages write it, small and invented."""

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from cowest import runs
from cowest.method_names import COLLABORATE, COLLABORATE_SFT, STRONG_ONLY, WEAK_ONLY
from cowest.records import (
    BenchResults,
    BenchRow,
    CalibrationPoint,
    Claim,
    Comparison,
    Contrast,
    Difference,
    Estimate,
    EvaluationResults,
    Failure,
    FeedbackSummary,
    GateResults,
    JudgeAgreement,
    Latency,
    MethodResult,
    NullControl,
    Policy,
    Prediction,
    ShareOfDrafts,
    TrainingRecord,
)
from cowest.records.gate import (
    Answered,
    CurvePoint,
    FittedPoint,
    GatedSplit,
    GatedTest,
    GatedValidation,
    GateTarget,
    RowsUsed,
)
from cowest.records.measures import DifferenceEstimate
from cowest.types import Usage

EVIL = "<script>alert('x')</script> [bold]{{ 7 * 7 }}[/bold]"

Model = TypeVar("Model", bound=BaseModel)


def changed(model: Model, **changes: Any) -> Model:
    """The same with other values of some fields, validated."""
    assert changes.keys() <= type(model).model_fields.keys()
    return type(model).model_validate(dict(model) | changes)


def _usage(calls: int) -> Usage:
    return Usage(prompt_tokens=60 * calls, completion_tokens=25 * calls)


def method(value: float, roles: list[str], cost_usd: float | None, num_failed: int = 0) -> MethodResult:
    """A row of results.json: 400 examples, one call of each role for each."""
    return MethodResult(
        metrics={
            "exact_match": Estimate(value=value, ci95=(value - 0.045, value + 0.045)),
            "f1": Estimate(value=value + 0.03, ci95=(value - 0.015, value + 0.07)),
        },
        num_failed=num_failed,
        calls=dict.fromkeys(roles, 400),
        usage={role: _usage(400) for role in roles},
        cost_usd=cost_usd,
        latency_s=Latency(p50=0.84, p95=2.31),
    )


def comparison(b: str, difference: float, ci95: tuple[float, float], p_value: float = 1e-9) -> Comparison:
    """Of the aligned pair with another row."""
    return Comparison(
        a=COLLABORATE,
        b=b,
        metric="exact_match",
        difference=difference,
        ci95=ci95,
        p_value=p_value,
        help_rate=max(0.0, difference) + 0.03,
        harm_rate=0.03,
    )


def results(**changes: Any) -> EvaluationResults:
    """A results.json in which the pair beats each model alone."""
    found = EvaluationResults(
        task="ifqa",
        metric="exact_match",
        num_examples=400,
        seed=0,
        wall_s=95.0,
        oracle_gap_closed=0.65,
        methods={
            WEAK_ONLY: method(0.33, ["weak"], 0.0),
            STRONG_ONLY: method(0.355, ["strong"], 0.41),
            COLLABORATE_SFT: method(0.583, ["weak", "strong"], 0.62),
            COLLABORATE: method(0.77, ["weak", "strong"], 0.64, num_failed=2),
        },
        comparisons=[
            comparison(WEAK_ONLY, 0.44, (0.38, 0.5)),
            comparison(STRONG_ONLY, 0.415, (0.36, 0.47)),
            comparison(COLLABORATE_SFT, 0.187, (0.13, 0.245), 1e-6),
        ],
    )
    return changed(found, **changes)


def with_method(name: str, found: EvaluationResults | None = None, /, **changes: Any) -> EvaluationResults:
    """Results of which one row has other values."""
    found = found or results()
    return changed(found, methods=found.methods | {name: changed(found.methods[name], **changes)})


def summary(num_pairs: int = 612, **changes: Any) -> FeedbackSummary:
    """A summary.json of 400 queries."""
    found = FeedbackSummary(
        kind="collaborative",
        num_examples=400,
        num_pairs=num_pairs,
        num_drafts=1721,
        num_positive=702,
        num_negative=1003,
        num_unscored=16,
        num_failed=1,
        calls={"weak": 1721, "strong": 2121, "judge": 2121},
        usage={role: _usage(1721) for role in ("weak", "strong", "judge")},
        cost_usd=3.1415,
        wall_s=214.0,
        calls_saved={"solo_perfect": 180, "settled": 99},
    )
    return changed(found, **changes)


def training(**changes: Any) -> TrainingRecord:
    """A training.json of 2000 rows."""
    found = TrainingRecord(
        stage="sft",
        adapter=".",
        base="tiny-base",
        num_rows=2000,
        num_overlong=3,
        num_steps=250,
        first_loss=0.6931,
        final_loss=0.412,
        wall_s=83.0,
        versions={"torch": "2.13.0", "trl": "1.16.0"},
    )
    return changed(found, **changes)


def predictions(name: str) -> list[Prediction]:
    """Of one method: the pair helps in some of the six examples and harms in one."""
    together = name.startswith(COLLABORATE)
    rows = []
    for number in range(6):
        correct = {0: together, 1: True, 2: not together, 3: together, 4: False, 5: together}[number]
        answer = "Orrin" if correct else "Belmoor"
        draft = f"Explanation: The only dry way to Orrin was that bridge. {EVIL}\nAnswer: Orrin"
        rows.append(
            Prediction(
                id=f"q{number}",
                method=name,
                query=f"If the bridge of {number} arches had not been built, which town would be an island? {EVIL}",
                reference=("Orrin", "Old Orrin"),
                draft=draft if together else None,
                output=f"Explanation: Without it there is no way across.\nAnswer: {answer}",
                answer=answer,
                correct=float(correct),
            )
        )
    return rows


def _point(name: str, value: float, **labels: Any) -> BenchRow:
    return BenchRow(name=name, run="x", method=name, **dict(method(value, ["weak"], 0.4)) | labels)


def _failed(name: str, reason: str, **labels: Any) -> BenchRow:
    return BenchRow(name=name, state="failed", run="x", method=name, reason=reason, **labels)


def bench(**changes: Any) -> BenchResults:
    """A bench.json with all of its parts, some of which failed."""
    four = {WEAK_ONLY: 0.33, STRONG_ONLY: 0.355, COLLABORATE_SFT: 0.58, COLLABORATE: 0.7}
    contrasts = [
        Contrast(a=each.a, b=each.b, difference=each.difference, ci95=each.ci95, p_value=each.p_value)
        for each in results().comparisons
    ]
    found = BenchResults(
        run="x",
        task="ifqa",
        metric="exact_match",
        num_examples=400,
        seed=0,
        rows=[
            *(_point(name, row.metrics["exact_match"].value) for name, row in results().methods.items()),
            _point("rlwf_collaborate", 0.6),
            _failed("rlaif_collaborate", "feedback gave\nno pair"),
        ],
        sweeps={
            "formats": [
                _point("chain_of_thought, not aligned", 0.58, format="chain_of_thought", aligned=False),
                _point("chain_of_thought, aligned", 0.7, format="chain_of_thought", aligned=True),
                _point("direct_answer, not aligned", 0.5, format="direct_answer", aligned=False),
                _failed("direct_answer, aligned", "no disk", format="direct_answer", aligned=True),
            ],
            "pairs": [
                _point(f"{pairs} pairs", value, pairs=pairs) for pairs, value in ((0, 0.58), (153, 0.66), (612, 0.7))
            ],
            "models": [
                _point(f"{row} (own, {strong})", value, weak="own", strong=strong, row=row)
                for strong in ("own", "b")
                for row, value in four.items()
            ],
            "calls": [
                _point("before alignment", 0.58, round=0, paid_calls={}),
                *(
                    _point(
                        f"{name}, {number} rounds",
                        value,
                        alignment=name,
                        round=number,
                        queries=queries,
                        paid_calls={"strong": 1200.0 * number, "judge": 400.5},
                    )
                    for name, number, queries, value in (
                        ("own", 1, None, 0.66),
                        ("own", 2, None, 0.7),
                        ("rft", 1, None, 0.62),
                        ("rft", 1, 80, 0.5),
                    )
                ),
                _failed("kto, 1 round", "no vote", alignment="kto", round=1),
            ],
            "rounds": [_point(f"round {number}", 0.58 + 0.09 * number, round=number) for number in range(3)],
        },
        unhelpful_share={
            "before": ShareOfDrafts(value=0.61, ci95=(0.55, 0.67), num_examples=200),
            "after": ShareOfDrafts(value=0.4, ci95=(0.34, 0.46), num_examples=200),
        },
        claims=[
            Claim(
                name="collaboration_beats_each_alone",
                statement=f"The pair does better than each alone. {EVIL}",
                verdict="reproduced",
                p_value=1e-9,
                contrasts=contrasts[:2],
            ),
            Claim(
                name="alignment_helps",
                statement="Alignment helps.",
                verdict="not reproduced",
                p_value=0.01,
                contrasts=contrasts[2:],
            ),
            Claim(
                name="fewer_unhelpful_drafts",
                statement="Fewer drafts are of no use.",
                verdict="inconclusive",
                note="no drafts were graded",
            ),
        ],
    )
    return changed(found, **changes)


def control(low: float) -> NullControl:
    """A null control whose difference has an interval from `low`."""
    return NullControl(
        num_examples=200,
        num_left_out=3,
        positive_rate=Estimate(value=0.12, ci95=(0.08, 0.17)),
        real_positive_rate=Estimate(value=0.34, ci95=(0.29, 0.39)),
        difference=DifferenceEstimate(value=0.22, ci95=(low, 0.28), p_value=0.001),
    )


def agreement(concordance: float = 0.93) -> JudgeAgreement:
    """A judge that was compared with the metric."""
    return JudgeAgreement(
        metric="exact_match",
        num_outputs=2274,
        concordance=concordance,
        length_correlation=0.1,
        calibration=[
            CalibrationPoint(verdict=verdict, num_outputs=number, value=value, ci95=(value - 0.03, value + 0.02))
            for verdict, number, value in ((1, 1204, 0.04), (6, 80, 0.5), (10, 990, 0.97))
        ],
    )


def answered(accuracy: float, cost: float, *, draft: float = 0.0, strong: float = 0.0, both: float = 0.0) -> Answered:
    """What some way to answer came to in a gate.json."""
    return Answered(
        accuracy=Estimate(value=accuracy, ci95=(accuracy - 0.05, accuracy + 0.05)),
        cost_per_query=cost,
        shares={"draft": draft, "strong": strong, "both": both},
    )


def _split(accuracy: float, cost: float) -> GatedSplit:
    return GatedSplit(
        num_examples=20,
        num_failed=0,
        num_without_confidence=0,
        gate=answered(accuracy, cost, draft=0.5, both=0.5),
        alone={"draft": answered(0.5, 0.0001, draft=1.0), "both": answered(0.9, 0.004, both=1.0)},
    )


def gate_validation(**changes: Any) -> GatedValidation:
    """The validation split of `gate`: the policy reaches 90%."""
    policy = Policy(cuts=(0.5,), arms=("both", "draft"))
    curve = [FittedPoint(accuracy=0.5 + 0.02 * n, cost_per_query=0.0001 * n, policy=policy) for n in range(20)]
    found = GatedValidation(
        **dict(_split(0.9, 0.002)),
        cross_validated=answered(0.88, 0.0021, draft=0.4, both=0.6),
        curve=curve,
        cross_validated_curve=[CurvePoint(accuracy=p.accuracy, cost_per_query=p.cost_per_query) for p in curve],
    )
    return changed(found, **changes)


def gate_test(**changes: Any) -> GatedTest:
    """The test split of `gate`: the policy reaches 85%."""
    difference = Difference(difference=-0.05, ci95=(-0.1, 0.0), p_value=0.0625)
    return changed(GatedTest(**dict(_split(0.85, 0.0022)), difference_to_both=difference), **changes)


def gate(*, cost_unit: Literal["usd", "strong_tokens"] = "usd", **changes: Any) -> GateResults:
    """A gate.json whose aim is met on validation and missed on test."""
    found = GateResults(
        task="ifqa",
        metric="exact_match",
        cost_unit=cost_unit,
        arms=["draft", "both"],
        met=True,
        target=GateTarget(min_accuracy=0.9),
        min_accuracy=0.9,
        policy=Policy(cuts=(0.5,), arms=("both", "draft")),
        validation=gate_validation(),
        test=gate_test(),
        made_of={name: RowsUsed(num_examples=20, sha256="ab" * 32) for name in ("validation", "test")},
    )
    return changed(found, **changes)


def write_run(folder: Path, num_rounds: int = 2) -> Path:
    """Writes a finished run."""
    run = runs.RunFolder(folder)
    runs.write_text(
        run.recipe, f"# cowest 0.1.0\nrun: {folder.name}\nrounds: {num_rounds}\ntask: {{name: ifqa}} # {EVIL}\n"
    )
    training().write(run.sft / "training.json")
    for number in range(1, num_rounds + 1):
        summary(612 if number == 1 else 388).write(run.feedback(number) / "summary.json")
        failure = Failure(example_id="q9", reason=f"no reply {EVIL}")
        runs.write_jsonl(run.feedback(number) / "failures.jsonl", [failure])
        training(stage="align", num_rows=612).write(run.align(number) / "training.json")
    results().write(run.evaluate / "results.json")
    for name in results().methods:
        runs.write_jsonl(run.evaluate / "predictions" / f"{name}.jsonl", predictions(name))
    return folder
