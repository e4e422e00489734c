"""The files of a gate: gate.json, and the measured examples of each split beside it."""

import bisect
import itertools
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, FiniteFloat, NonNegativeInt, model_validator

from cowest import words
from cowest.records.base import Part
from cowest.records.measures import Difference, Estimate
from cowest.records.shown import ShownDocument, TableRow
from cowest.types import Record, omitted_if_none

Arm = Literal["draft", "strong", "both"]
"""Who answers: the weak model's draft as it is, the strong model without it, or the strong model with it."""

ARMS: tuple[Arm, ...] = get_args(Arm)

Cost = Annotated[FiniteFloat, Field(ge=0)]


class Policy(Record):
    """Who answers, by the draft's confidence.

    Attributes:
        cuts: the confidences at which regions end, ascending; a confidence equal to a cut belongs to the region above.
        arms: one per region, from the least confident to the most; one more than cuts.
    """

    cuts: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = ()
    arms: tuple[Arm, ...] = ("both",)

    @model_validator(mode="after")
    def _has_ascending_cuts(self) -> Self:
        if len(self.arms) != len(self.cuts) + 1 or any(low >= high for low, high in itertools.pairwise(self.cuts)):
            raise ValueError("a policy has ascending cuts and one more arm than cuts")
        return self

    def arm(self, confidence: float | None) -> Arm:
        """Who answers; both models where there is no confidence."""
        return "both" if confidence is None else self.arms[bisect.bisect_right(self.cuts, confidence)]

    def __str__(self) -> str:
        if not self.cuts:
            return f"always {self.arms[0]}"
        edges = ["", *(f"{cut:.4f}" for cut in self.cuts), ""]
        phrases = []
        for (low, high), arm in zip(itertools.pairwise(edges), self.arms, strict=True):
            where = f"below {high}" if not low else f"from {low} on" if not high else f"from {low} to {high}"
            phrases.append(f"{arm} {where}")
        return ", ".join(phrases)


class ArmOutcome(Record):
    """What one arm did for one example.

    Attributes:
        score: the task's headline metric.
        cost_usd: of all its calls including the draft; None where a price is unknown.
        strong_tokens: of the strong model, prompt and reply.
    """

    score: float
    cost_usd: float | None
    strong_tokens: int


class MeasuredExample(Record):
    """One example under the arms that it was measured with: a row of gate/validation.jsonl and gate/test.jsonl.

    Attributes:
        confidence: of the draft; None where the draft has none.
        arm: who answers it under the chosen policy, once there is one.
        error: why a call failed; such an example is left out of every number.
        group: its group, where it does not stand alone.
    """

    id: str
    confidence: float | None = None
    arms: dict[Arm, ArmOutcome] = Field(default_factory=dict)
    arm: Arm | None = None
    error: str | None = None
    group: str | None = omitted_if_none()


class Answered(Part):
    """The results of one way of answering a split.

    Attributes:
        cost_per_query: in the gate's unit; None where it is unknown.
        shares: of the examples, by arm.
    """

    accuracy: Estimate
    cost_per_query: Cost | None
    shares: dict[Arm, FiniteFloat]

    @model_validator(mode="after")
    def _has_all_arms(self) -> Self:
        if len(self.shares) < len(ARMS):
            raise ValueError("a share is missing")
        if self.accuracy.ci95 is None:
            raise ValueError("the accuracy has no interval")
        return self


class CurvePoint(Part):
    """A point of a curve: accuracy against cost."""

    cost_per_query: Cost
    accuracy: FiniteFloat


class FittedPoint(CurvePoint):
    """A point of the curve as fitted, with its policy."""

    policy: Policy


class GatedSplit(Part):
    """One split under the gate and under single arms, always including "both".

    Attributes:
        num_groups: of the examples without a failure; intervals are over these. None where each stands alone.
    """

    num_examples: NonNegativeInt = 0
    num_groups: NonNegativeInt | None = omitted_if_none()
    num_failed: NonNegativeInt
    num_without_confidence: NonNegativeInt
    gate: Answered
    alone: dict[Arm, Answered]

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if "both" not in self.alone:
            raise ValueError("the arm `both` alone is missing")
        return self


class GatedValidation(GatedSplit):
    """The split that the policy was learned from."""

    cross_validated: Answered
    curve: list[FittedPoint] = Field(min_length=1)
    cross_validated_curve: list[CurvePoint] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_all_costs(self) -> Self:
        if any(each.cost_per_query is None for each in (self.gate, self.cross_validated, *self.alone.values())):
            raise ValueError("a cost that was learned from is missing")
        return self


class GatedTest(GatedSplit):
    """The split that the policy was tested on; `difference_to_both` is its metric minus that of "both" alone."""

    difference_to_both: Difference

    @model_validator(mode="after")
    def _has_interval(self) -> Self:
        if self.difference_to_both.ci95 is None:
            raise ValueError("the difference has no interval")
        return self


class GateTarget(Part):
    """What the user asked for."""

    min_accuracy: FiniteFloat | None = None
    max_cost_usd: FiniteFloat | None = None


class RowsUsed(Part):
    """The rows of a split, by number and SHA-256."""

    num_examples: NonNegativeInt
    sha256: str


class GateResults(ShownDocument):
    """gate.json. `print` shows it as a table, a notebook as HTML; `to_pandas` has a row for each way of answering.

    Attributes:
        cost_unit: of every cost in this document.
        arms: those that a policy may use.
        min_accuracy: the target accuracy; None where the target is a cost.
        met: whether the policy meets the target on the validation split.
        most_accurate, cheapest: the best accuracy and the lowest cost of any policy there.
        test: None without a test split.
        made_of: the rows it was learned and tested on, by split.
        made_for: what the policy depends on, by name: models, prompts, sampling, prices and the recipe's section.
    """

    task: str
    metric: str
    cost_unit: Literal["usd", "strong_tokens"]
    arms: list[Arm] = Field(default_factory=list)
    target: GateTarget
    min_accuracy: FiniteFloat | None
    met: bool
    most_accurate: FiniteFloat | None = omitted_if_none()
    cheapest: Cost | None = omitted_if_none()
    policy: Policy
    validation: GatedValidation
    test: GatedTest | None
    made_of: dict[str, RowsUsed] = Field(default_factory=dict)
    made_for: dict[str, Any] = Field(default_factory=dict)

    DRAWN_BY: ClassVar[str] = "cowest.report.gate:draw_gate"

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Its task, its policy, whether the target is met, and the accuracy on each split."""
        yield from (("task", self.task), ("metric", self.metric), ("policy", str(self.policy)), ("met", self.met))
        for name, split in (("validation", self.validation), ("test", self.test)):
            accuracy = None if split is None else split.gate.accuracy
            yield name, None if accuracy is None else words.estimate(accuracy.value, accuracy.ci95)

    def table_rows(self) -> list[TableRow]:
        """For each split a row for each arm alone and for the gate; see `to_pandas`."""
        ways: list[tuple[str, str, Answered]] = []
        for name, split in (("validation", self.validation), ("test", self.test)):
            if split is not None:
                ways += [(name, arm, answered) for arm, answered in split.alone.items()]
                ways.append((name, "gate", split.gate))
            if split is self.validation:
                ways.append((name, "gate, cross-validated", self.validation.cross_validated))
        return [
            {
                "split": split,
                "who_answers": who,
                "accuracy": answered.accuracy.value,
                **dict(zip(("accuracy_low", "accuracy_high"), answered.accuracy.ci95 or (None, None), strict=True)),
                "cost_per_query": answered.cost_per_query,
                "cost_unit": self.cost_unit,
                **{f"share_{arm}": answered.shares[arm] for arm in ARMS},
            }
            for split, who, answered in ways
        ]

    @model_validator(mode="after")
    def _has_one_target(self) -> Self:
        if (self.min_accuracy is None) == (self.target.max_cost_usd is None):
            raise ValueError("the target is neither an accuracy nor a cost")
        return self
