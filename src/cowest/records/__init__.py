"""The files of a run: one model for each, through which everything writes and reads it.

| file | model |
|---|---|
| `*/inputs.json` | `StageInputs` |
| `sft/training.json`, `round-N/align/training.json` | `TrainingRecord` |
| `sft/explanations/explanations.jsonl` | rows of `ExplainedExample` |
| `sft/explanations/summary.json` | `ExplanationSummary` |
| `round-N/align/rollouts.jsonl`, of grpo | rows of `RolloutStep` |
| `round-N/feedback/queries.jsonl`, where queries come from recorded traffic | rows of `Example` |
| `round-N/feedback/graded.jsonl` | rows of `GradedExample` or `ComparedExample` |
| `round-N/feedback/pairs.jsonl` | rows of `PreferencePair` |
| `round-N/feedback/failures.jsonl` | rows of `Failure` |
| `round-N/feedback/null_control.jsonl` | rows of `NullSample` |
| `round-N/feedback/summary.json` | `FeedbackSummary` |
| `evaluate/predictions/METHOD.jsonl` | rows of `Prediction` |
| `evaluate/results.json` | `EvaluationResults` |
| `evaluate/audit.json` | `AuditResults` |
| `gate/validation.jsonl`, `gate/test.jsonl` | rows of `MeasuredExample` |
| `gate/gate.json` | `GateResults` |
| `bench/bench.json` | `BenchResults` |
| `engines/now.json` | `RunningEngines` |

A document carries its `version`. Rows share the version of the document that completes their stage.
"""

from cowest.records.audit import (
    AuditResults,
    Calibration,
    CalibrationBin,
    CorrectedDifference,
    Finding,
    Flips,
    Reliance,
    Share,
    Slice,
    Swaps,
)
from cowest.records.base import Document, Part, read_rows
from cowest.records.bench import BenchCell, BenchResults, BenchRow, Claim, ClaimOutcome, Contrast, ShareOfDrafts
from cowest.records.engines import RunningEngine, RunningEngines
from cowest.records.explanations import ExplainedExample, ExplanationSummary
from cowest.records.feedback import (
    CalibrationPoint,
    Failure,
    FeedbackSummary,
    JudgeAgreement,
    NullControl,
    NullSample,
    PairLabels,
)
from cowest.records.gate import ARMS, Arm, ArmOutcome, GateResults, MeasuredExample, Policy
from cowest.records.inputs import StageInputs
from cowest.records.judging import (
    AttackOutcome,
    JudgeCheck,
    LengthEffect,
    OrderEffect,
    PanelAgreement,
    PanelMember,
)
from cowest.records.measures import Difference, Estimate
from cowest.records.results import Comparison, EvaluationResults, Latency, MethodResult, Preparation
from cowest.records.rollouts import Rollout, RolloutStep
from cowest.records.training import TrainingRecord
from cowest.types import ComparedExample, GradedExample, Prediction, PreferencePair

__all__ = [
    "ARMS",
    "Arm",
    "ArmOutcome",
    "AttackOutcome",
    "AuditResults",
    "BenchCell",
    "BenchResults",
    "BenchRow",
    "Calibration",
    "CalibrationBin",
    "CalibrationPoint",
    "Claim",
    "ClaimOutcome",
    "ComparedExample",
    "Comparison",
    "Contrast",
    "CorrectedDifference",
    "Difference",
    "Document",
    "Estimate",
    "EvaluationResults",
    "ExplainedExample",
    "ExplanationSummary",
    "Failure",
    "FeedbackSummary",
    "Finding",
    "Flips",
    "GateResults",
    "GradedExample",
    "JudgeAgreement",
    "JudgeCheck",
    "Latency",
    "LengthEffect",
    "MeasuredExample",
    "MethodResult",
    "NullControl",
    "NullSample",
    "OrderEffect",
    "PairLabels",
    "PanelAgreement",
    "PanelMember",
    "Part",
    "Policy",
    "Prediction",
    "PreferencePair",
    "Preparation",
    "Reliance",
    "Rollout",
    "RolloutStep",
    "RunningEngine",
    "RunningEngines",
    "Share",
    "ShareOfDrafts",
    "Slice",
    "StageInputs",
    "Swaps",
    "TrainingRecord",
    "read_rows",
]
