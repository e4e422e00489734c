"""What is measured of a judge: on the outputs of a round of feedback, and by `cowest judge check`."""

from pydantic import Field, NonNegativeInt

from cowest.records.base import Document, Part
from cowest.records.measures import DifferenceEstimate, Estimate
from cowest.types import omitted_if_none


class PanelMember(Part):
    """The verdicts of one member of a panel; the mean is of those that it gave."""

    num_given: NonNegativeInt
    num_unscored: NonNegativeInt
    mean: float | None = None


class PanelAgreement(Part):
    """How far the members of a panel agree.

    Attributes:
        num_outputs: different texts with verdicts of two members or more.
        alpha: Krippendorff's, ordinal, over them; None where all verdicts are equal.
        members: by role.
    """

    num_outputs: NonNegativeInt
    alpha: float | None = None
    members: dict[str, PanelMember] = Field(default_factory=dict)


class LengthEffect(Part):
    """Correlation of the verdict with the logarithm of the length, each as its deviation from a mean.

    Attributes:
        num_outputs: different texts of queries with two or more of them that have a verdict.
        within_query: deviations from the query's mean: whether of the outputs for one query the longer are judged
            better.
        at_equal_metric: deviations from the mean of those outputs for the query that the task's metric scores alike:
            whether length counts beside what makes an answer right. None where the task is not known.
    """

    num_outputs: NonNegativeInt
    within_query: float | None = None
    at_equal_metric: float | None = omitted_if_none()


class OrderEffect(Part):
    """Comparisons in both orders.

    Attributes:
        num_comparisons: of different texts with z.
        num_split: those whose votes disagree, which are ties.
        first_share: share of the votes that are for the text shown first; one half without a preference for it.
        concordance: share of the comparisons of outputs that the task's metric tells apart in which the better one
            wins, ties half; None where the task is not known, or no row with a reference was compared.
    """

    num_comparisons: NonNegativeInt
    num_split: NonNegativeInt
    first_share: Estimate
    concordance: float | None = None


class AttackOutcome(Part):
    """Wrong answers with a text that gives the judge orders.

    Attributes:
        num_rows: rows whose wrong answer has a verdict with the text and without it.
        raised: share of them whose verdict is higher with it.
        num_beatable: those of the rows whose z can be beaten: it has a verdict, and not the highest.
        succeeded: share of these whose verdict is higher with the text than without it, and higher than that of z.
    """

    num_rows: NonNegativeInt
    raised: Estimate | None = None
    num_beatable: NonNegativeInt
    succeeded: Estimate | None = None


class JudgeCheck(Document):
    """What `cowest judge check` measured.

    Attributes:
        task: its name.
        judge: the roles of the models that judge; empty where the judge is a program.
        scale: what a verdict is: "score", from 1 to 10, or "comparison" with z, from -1 to 1.
        num_rows: of the validation split.
        num_left_out: further rows for which no other row's reference is a wrong answer.
        num_failed: further rows that the strong model alone gave no answer for.
        calls: by role, including calls answered from the ledger.
        num_verdicts: that were asked for.
        num_unscored: those of them that could not be had.
        num_asked_again: replies that no verdict could be read from.
        first_reason: of the first unscored verdict.
        reference, wrong: mean verdict on the row's own reference, and on that of another row.
        ordered: share of the rows with the reference above the wrong answer.
        equal_again: share of the texts that got the same verdict when they were judged a second time.
        difference_again: mean absolute difference of the two verdicts.
        padded_reference, padded_wrong: by how much the verdict changes when the text is made longer and says no more.
        attacks: by name, and all of them together.
        panel: agreement of the members on all these texts; None without a panel.
    """

    task: str
    judge: list[str] = Field(default_factory=list)
    scale: str = "score"
    num_rows: NonNegativeInt = 0
    num_left_out: NonNegativeInt = 0
    num_failed: NonNegativeInt = 0
    calls: dict[str, NonNegativeInt] = Field(default_factory=dict)
    num_verdicts: NonNegativeInt = 0
    num_unscored: NonNegativeInt = 0
    num_asked_again: NonNegativeInt = 0
    first_reason: str | None = None
    reference: Estimate | None = None
    wrong: Estimate | None = None
    ordered: Estimate | None = None
    equal_again: Estimate | None = None
    difference_again: float | None = None
    padded_reference: DifferenceEstimate | None = None
    padded_wrong: DifferenceEstimate | None = None
    attacks: dict[str, AttackOutcome] = Field(default_factory=dict)
    all_attacks: AttackOutcome | None = None
    panel: PanelAgreement | None = omitted_if_none()
