"""gate.json as a report reads it: every part that is shown has to be there."""

from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, NonNegativeInt, model_validator

from cowest.gating import Arm, Policy
from cowest.report.records import Lenient

Cost = Annotated[FiniteFloat, Field(ge=0)]


class Measured(Lenient):
    """A share with its 95% interval."""

    value: FiniteFloat
    ci95: tuple[FiniteFloat, FiniteFloat]


class Answered(Lenient):
    """What some way to answer came to; the cost in the gate's unit, None where it is not known; the shares by arm."""

    accuracy: Measured
    cost_per_query: Cost | None
    shares: dict[Arm, FiniteFloat]

    @model_validator(mode="after")
    def _all_arms(self) -> Self:
        if len(self.shares) < 3:
            raise ValueError("a share is missing")
        return self


class Point(Lenient):
    """A point of a curve."""

    accuracy: FiniteFloat
    cost_per_query: Cost


class Fitted(Point):
    """A point of the curve with the policy that it is."""

    policy: Policy


class Split(Lenient):
    """One split under the gate and under some arms alone, `both` among them."""

    num_failed: NonNegativeInt
    num_without_confidence: NonNegativeInt
    gate: Answered
    alone: dict[Arm, Answered]

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if "both" not in self.alone:
            raise ValueError("nothing is said of both answering everything")
        return self


class Validation(Split):
    """The split that was learned from."""

    cross_validated: Answered
    curve: list[Fitted] = Field(min_length=1)
    cross_validated_curve: list[Point] = Field(min_length=1)

    @model_validator(mode="after")
    def _all_costs(self) -> Self:
        if any(each.cost_per_query is None for each in (self.gate, self.cross_validated, *self.alone.values())):
            raise ValueError("a cost that was learned from is missing")
        return self


class Difference(Lenient):
    """The gate's metric less that of both, on the same examples."""

    difference: FiniteFloat
    ci95: tuple[FiniteFloat, FiniteFloat]
    p_value: FiniteFloat


class Tried(Split):
    """The split that it was then tried on."""

    difference_to_both: Difference


class Target(Lenient):
    """What was asked for."""

    min_accuracy: FiniteFloat | None = None
    max_cost_usd: FiniteFloat | None = None


class Rows(Lenient):
    """The rows of a split."""

    num_examples: NonNegativeInt
    sha256: str


class Gate(Lenient):
    """gate.json.

    Attributes:
        min_accuracy: the accuracy that was aimed at; None where a cost was.
        made_of: the rows by split; empty where an older version did not keep them.
    """

    task: str
    metric: str
    cost_unit: Literal["usd", "strong_tokens"]
    target: Target
    min_accuracy: FiniteFloat | None
    met: bool
    policy: Policy
    validation: Validation
    test: Tried | None
    made_of: dict[str, Rows] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_aim(self) -> Self:
        if (self.min_accuracy is None) == (self.target.max_cost_usd is None):
            raise ValueError("the aim is neither an accuracy nor a cost")
        return self
