"""The files of a round's feedback besides its graded examples and pairs: failures, the null control, the summary."""

from pydantic import Field, NonNegativeInt

from cowest.records.base import Document, Part, only_where_known
from cowest.records.measures import DifferenceEstimate, Estimate
from cowest.types import Usage, Verdict


class Failure(Part):
    """An example that gave no grades, and why: a row of failures.jsonl."""

    example_id: str
    reason: str


class NullSample(Part):
    """z', a second sample of the strong model alone, and its verdict: a row of null_control.jsonl."""

    example_id: str
    text: str
    verdict: Verdict


class NullControl(Part):
    """How often a second sample of the strong model alone beats the first, beside how often a draft helps to.

    Attributes:
        num_examples: the examples that both rates are over.
        num_left_out: controlled examples without a scored z' or a scored draft.
        positive_rate: of z', with Wilson's interval; None, as the others, where no example is left.
        real_positive_rate: of drafts.
        difference: of the second less the first.
    """

    num_examples: NonNegativeInt = 0
    num_left_out: NonNegativeInt = 0
    positive_rate: Estimate | None = only_where_known()
    real_positive_rate: Estimate | None = only_where_known()
    difference: DifferenceEstimate | None = only_where_known()


class CalibrationPoint(Estimate):
    """The outputs that one verdict was given to: how many, and their mean metric."""

    verdict: int
    num_outputs: NonNegativeInt


class JudgeAgreement(Part):
    """How the judge's scores order outputs, compared with the task's metric and with their lengths.

    Attributes:
        concordance: the chance that of two outputs which the metric tells apart the judge scores the better one
            higher, ties counting half; None where the metric tells none apart.
        length_correlation: Spearman's rank correlation of score and number of characters; None where one never varies.
        calibration: a point for each score that was given.
    """

    metric: str
    num_outputs: NonNegativeInt
    concordance: float | None = None
    length_correlation: float | None = None
    calibration: list[CalibrationPoint] = Field(default_factory=list)


class FeedbackSummary(Document):
    """feedback/summary.json.

    Attributes:
        kind: of feedback.
        num_examples: queries, failed ones included.
        num_unscored: drafts that could not be judged; they are in no pair.
        num_failed: queries that gave no grades.
        num_drafts_cut: drafts that ended at the token limit.
        num_solo_perfect: queries on which the strong model alone has the full score, which no draft can beat.
        num_ties: comparisons without a winner, where drafts are compared with each other.
        calls, usage: by role, those that the ledger answered included.
        calls_saved: calls that each rule saved.
        null_control: None where none was asked for.
        judge_agreement: None where the task is not known or nothing was scored.
    """

    kind: str | None = None
    num_examples: NonNegativeInt = 0
    num_pairs: NonNegativeInt = 0
    num_drafts: NonNegativeInt = 0
    num_positive: NonNegativeInt = 0
    num_negative: NonNegativeInt = 0
    num_unscored: NonNegativeInt = 0
    num_failed: NonNegativeInt = 0
    num_drafts_cut: NonNegativeInt = 0
    num_solo_perfect: NonNegativeInt = 0
    calls: dict[str, NonNegativeInt] = Field(default_factory=dict)
    usage: dict[str, Usage] = Field(default_factory=dict)
    cost_usd: float | None = None
    calls_saved: dict[str, NonNegativeInt] = Field(default_factory=dict)
    num_ties: NonNegativeInt | None = only_where_known()
    null_control: NullControl | None = only_where_known()
    judge_agreement: JudgeAgreement | None = None
    wall_s: float | None = None
