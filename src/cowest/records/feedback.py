"""The files of a round's feedback besides its graded examples and pairs: failures, the null control, the summary."""

from pydantic import Field, NonNegativeInt

from cowest.records.base import Document, Part
from cowest.records.judging import LengthEffect, OrderEffect, PanelAgreement
from cowest.records.measures import DifferenceEstimate, Estimate
from cowest.types import Usage, Verdict, omitted_if_none


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
    """How often a second sample of the strong model alone beats the first, beside how often a draft helps it to.

    Attributes:
        num_examples: examples behind both rates.
        num_left_out: examples of the control without a scored z' or a scored draft.
        positive_rate: of z', with Wilson's interval. All rates are None where no example is left.
        real_positive_rate: of drafts.
        difference: real_positive_rate minus positive_rate.
    """

    num_examples: NonNegativeInt = 0
    num_left_out: NonNegativeInt = 0
    positive_rate: Estimate | None = omitted_if_none()
    real_positive_rate: Estimate | None = omitted_if_none()
    difference: DifferenceEstimate | None = omitted_if_none()


class CalibrationPoint(Estimate):
    """The outputs that got one verdict: their number and their mean metric."""

    verdict: int
    num_outputs: NonNegativeInt


class JudgeAgreement(Part):
    """How the judge's scores order outputs, compared with the task's metric and with their lengths.

    Attributes:
        concordance: the probability that of two outputs with different metrics the judge scores the better one
            higher, ties counting half; None where all metrics are equal.
        length_correlation: Spearman's rank correlation of score and number of characters; None if either is constant.
        calibration: one point per score given.
    """

    metric: str
    num_outputs: NonNegativeInt
    concordance: float | None = None
    length_correlation: float | None = None
    calibration: list[CalibrationPoint] = Field(default_factory=list)


class PairLabels(Part):
    """The labels that the drafts of the pairs name, where answers are labels.

    Attributes:
        chosen, rejected: number of drafts by label, the most frequent first; those that name none are left out.
    """

    chosen: dict[str, NonNegativeInt] = Field(default_factory=dict)
    rejected: dict[str, NonNegativeInt] = Field(default_factory=dict)


class FeedbackSummary(Document):
    """feedback/summary.json.

    Attributes:
        kind: of feedback.
        num_examples: queries, failed ones included.
        num_unscored: drafts that could not be judged; they enter no pair.
        num_failed: queries that gave no grades.
        num_identical_drafts: drafts that repeat the text of an earlier draft of their query; they count once in pairs.
        num_drafts_not_drawn: of K a query, where its drafts end with its first pair; None where all are made.
        num_drafts_cut: drafts that ended at the token limit.
        num_solo_perfect: queries on which the strong model alone has the full score, which no draft can beat.
        num_unparsed_solo: outputs of the strong model alone that hold no answer; None where the task is not known.
        num_unparsed_drafts: drafts that hold no answer; None also in a format whose drafts hold none.
        num_unparsed_refined: refined outputs that hold no answer; None also where no draft was refined.
        spend_usd, num_not_asked: what the round was given to spend, and the drawn queries that it did not suffice for.
        num_ties: comparisons without a winner, where drafts are compared with each other.
        pair_labels: of all pairs, before `max_pairs`; None where answers are no labels or no draft of a pair names one.
        calls, usage: by role, including calls answered from the ledger.
        calls_saved: by rule.
        null_control: None where none was asked for.
        judge_agreement: None where the task is not known or nothing was scored.
        panel: agreement of the members of a panel; None without one.
        length_effect: whether longer outputs are judged better; None where no query has two judged outputs.
        order_effect: how votes depend on the order of the texts; None where the judge compares none.
    """

    kind: str | None = None
    num_examples: NonNegativeInt = 0
    num_pairs: NonNegativeInt = 0
    num_drafts: NonNegativeInt = 0
    num_positive: NonNegativeInt = 0
    num_negative: NonNegativeInt = 0
    num_unscored: NonNegativeInt = 0
    num_failed: NonNegativeInt = 0
    num_identical_drafts: NonNegativeInt = 0
    num_drafts_not_drawn: NonNegativeInt | None = omitted_if_none()
    num_drafts_cut: NonNegativeInt = 0
    num_solo_perfect: NonNegativeInt = 0
    num_unparsed_solo: NonNegativeInt | None = omitted_if_none()
    num_unparsed_drafts: NonNegativeInt | None = omitted_if_none()
    num_unparsed_refined: NonNegativeInt | None = omitted_if_none()
    pair_labels: PairLabels | None = omitted_if_none()
    calls: dict[str, NonNegativeInt] = Field(default_factory=dict)
    usage: dict[str, Usage] = Field(default_factory=dict)
    cost_usd: float | None = None
    calls_saved: dict[str, NonNegativeInt] = Field(default_factory=dict)
    spend_usd: float | None = omitted_if_none()
    num_not_asked: NonNegativeInt | None = omitted_if_none()
    num_ties: NonNegativeInt | None = omitted_if_none()
    null_control: NullControl | None = omitted_if_none()
    judge_agreement: JudgeAgreement | None = None
    panel: PanelAgreement | None = omitted_if_none()
    length_effect: LengthEffect | None = omitted_if_none()
    order_effect: OrderEffect | None = omitted_if_none()
    wall_s: float | None = None
