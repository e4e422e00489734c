"""evaluate/audit.json: whom the pair helps and harms, what it takes from drafts, and what changes its answers."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field, FiniteFloat, NonNegativeInt, computed_field

from cowest import statistics
from cowest.records.base import Part
from cowest.records.measures import Difference, Estimate
from cowest.records.shown import ShownDocument, TableRow
from cowest.types import omitted_if_none

FindingKind = Literal["slice", "took_wrong", "left_right", "calibration", "swaps"]
"""What a finding is about: a slice where the pair harms, wrong drafts whose answers it takes, right drafts that it
leaves, confidences that do not fit, or answers that change under a swap of words."""


class Finding(Part):
    """Something that whoever answers for the pair should know, in one sentence."""

    kind: FindingKind
    text: str


class Share(Estimate):
    """A share of some examples.

    Attributes:
        num: of how many it is a share.
        num_groups: that these belong to; None where each stands alone.
    """

    num: NonNegativeInt
    num_groups: NonNegativeInt | None = omitted_if_none()


class CorrectedDifference(Difference):
    """A difference that is one of a family of tests.

    Attributes:
        p_holm: the p-value corrected for the number of tests (Holm); the verdict goes by it, so that an interval of
            one difference alone may exclude 0 where no difference is shown.
    """

    p_holm: float | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> statistics.Verdict:
        """Better, worse, or no difference shown; by `cowest.statistics.verdict` and the corrected p-value."""
        p_value = self.p_value if self.p_holm is None else self.p_holm
        return statistics.verdict(*(self.ci95 or (0.0, 0.0)), p_value)


class Slice(CorrectedDifference):
    """Some of the examples: by how much the pair is better there than the strong model alone.

    Attributes:
        field: by which the examples are divided: one of the rows, "gold label", "query length" or "group".
        value: of that field, or a range of values.
        num_examples, num_groups: in it; None where each example stands alone.
        strong, pair, weak: their metric there; `weak` is None where the weak model alone was not evaluated.
        help_rate: share of the examples that the strong model alone gets wrong and the pair right.
        harm_rate: the other way round.
    """

    field: str = ""
    value: str = ""
    num_examples: NonNegativeInt
    num_groups: NonNegativeInt | None = omitted_if_none()
    strong: Estimate
    pair: Estimate
    weak: Estimate | None = omitted_if_none()
    help_rate: FiniteFloat
    harm_rate: FiniteFloat


class Reliance(Part):
    """What the strong model takes from drafts; over the examples whose draft holds an answer.

    Attributes:
        draft_right: the share of drafts with a right answer.
        took_wrong: of those that the strong model has right alone and the draft has wrong, the share where the pair
            gives the draft's answer; None where there are none.
        left_right: of those where the draft is right, the share where the pair is wrong; None where there are none.
        tolerated: a share is a finding where its whole interval is above this.
    """

    draft_right: Share
    took_wrong: Share | None
    left_right: Share | None
    tolerated: FiniteFloat


class CalibrationBin(CorrectedDifference):
    """Drafts of similar confidence; the difference is the share that is right minus the mean confidence.

    Attributes:
        low, high: the least and the largest confidence.
        confidence: the mean.
        right: the share of drafts with a right answer.
    """

    num_examples: NonNegativeInt
    low: FiniteFloat
    high: FiniteFloat
    confidence: FiniteFloat
    right: Estimate


class Calibration(Part):
    """Whether the weak model's confidence in the answers of its drafts is the share that is right.

    Attributes:
        num_examples: drafts with an answer and a confidence.
        confidence: the mean.
        right: the share with a right answer.
        error: the expected calibration error, over `bins` of equally many drafts.
        error_if_calibrated: what so many drafts would show on average if every confidence fitted.
        ranked_right: the chance that a right draft has more confidence than a wrong one; None where all are alike.
    """

    num_examples: NonNegativeInt
    confidence: FiniteFloat
    right: Estimate
    error: FiniteFloat
    error_if_calibrated: FiniteFloat
    ranked_right: FiniteFloat | None
    bins: list[CalibrationBin]


class Flips(Part):
    """How often one way of answering changes its answer when words of the query are swapped.

    Attributes:
        changed: the share of answers that the swap changes.
        changed_again: the share that changes when the same query is asked again; None where nothing is sampled, so that
            only the swap can change an answer.
        difference: of the answers that stay, with the swap minus without; "worse" where the swap changes answers.
    """

    changed: Share
    changed_again: Share | None
    difference: CorrectedDifference


class Swaps(Part):
    """Answers to queries in which words are swapped, such as names or genders.

    Attributes:
        words: the pairs of words.
        num_matching: examples of the evaluation whose query holds such a word.
        num_examples: those that were asked, without failures.
        num_failed: those with a call that got no usable reply; they are left out.
        strong, pair: the strong model alone, and with the draft.
        difference: of the answers that stay under the swap, the pair's minus those of the strong model alone.
        calls: by role, including those answered from the ledger.
        cost_usd: of all these calls; None where a price is unknown.
    """

    words: list[tuple[str, str]]
    num_matching: NonNegativeInt
    num_examples: NonNegativeInt
    num_groups: NonNegativeInt | None = omitted_if_none()
    num_failed: NonNegativeInt = 0
    strong: Flips
    pair: Flips
    difference: CorrectedDifference
    calls: dict[str, NonNegativeInt] = Field(default_factory=dict)
    cost_usd: float | None = None


class AuditResults(ShownDocument):
    """audit.json.

    Attributes:
        metric: the headline metric.
        pair, strong, weak: the methods that are compared; `weak` is None where it was not evaluated.
        num_examples: those that are audited.
        num_failed: examples with a failed call of the pair or the strong model; they are left out.
        num_groups: as in results.json.
        overall: all examples as one slice, which is not part of the family.
        min_slice: a slice with fewer examples is not tested.
        slices: of every field that divides the examples into few slices; one family of tests.
        left_out: by field, what of it is not tested and why.
        reliance, calibration: None where the run does not hold what they need; `missing` says what.
        swaps: None where nobody asked for them.
        findings: what an audit found, in one sentence each; empty where it found nothing.
    """

    DRAWN_BY: ClassVar[str] = "cowest.report.audit:draw_audit"
    ADVICE: ClassVar[str] = "Delete it and run cowest audit again; what was paid for is kept."

    task: str = ""
    metric: str = ""
    pair: str
    strong: str
    weak: str | None = None
    num_examples: NonNegativeInt
    num_failed: NonNegativeInt = 0
    num_groups: NonNegativeInt | None = None
    overall: Slice
    min_slice: NonNegativeInt
    slices: list[Slice] = Field(default_factory=list)
    left_out: dict[str, str] = Field(default_factory=dict)
    reliance: Reliance | None = None
    calibration: Calibration | None = None
    missing: dict[str, str] = Field(default_factory=dict)
    swaps: Swaps | None = None
    findings: list[Finding] = Field(default_factory=list)

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """What was compared, its size, and the findings."""
        yield from (("task", self.task), ("pair", self.pair), ("num_examples", self.num_examples))
        yield from (("num_slices", len(self.slices)), ("findings", [finding.text for finding in self.findings]))

    def table_rows(self) -> list[TableRow]:
        """A row for each slice; see `to_pandas`."""
        return [
            {
                "field": each.field,
                "value": each.value,
                "num_examples": each.num_examples,
                "strong": each.strong.value,
                "pair": each.pair.value,
                "weak": None if each.weak is None else each.weak.value,
                "difference": each.difference,
                "low": None if each.ci95 is None else each.ci95[0],
                "high": None if each.ci95 is None else each.ci95[1],
                "p_value": each.p_value,
                "p_holm": each.p_holm,
                "help_rate": each.help_rate,
                "harm_rate": each.harm_rate,
                "verdict": each.verdict,
            }
            for each in self.slices
        ]
