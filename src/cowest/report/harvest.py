"""What a harvest's own checks say, in sentences: the null-draft control, and how far to trust the judge."""

from collections.abc import Iterator

from cowest.report import words
from cowest.report.records import Feedback, JudgeAgreement, NullControl


def harvest_sentences(feedback: Feedback) -> Iterator[str]:
    """One sentence for each check that was made."""
    if feedback.null_control is not None:
        yield null_control_sentence(feedback.null_control)
    if feedback.judge_agreement is not None:
        yield _agreement(feedback.judge_agreement)


def null_control_sentence(control: NullControl) -> str:
    """Whether a draft beats the strong model alone more often than a second sample of it does; else says so plainly."""
    real, null, difference = control.real_positive_rate, control.positive_rate, control.difference
    if real is None or null is None or difference is None or difference.ci95 is None:
        return "null control: no query gave both a draft and a second sample with a score, so there is nothing to say"
    rates = (
        f"null control: drafts beat the strong model alone in {words.percent(real.value)} {words.interval(real.ci95)}, "
        f"its own second sample in {words.percent(null.value)} {words.interval(null.ci95)} of "
        f"{words.plural(control.num_examples, 'query')}; difference {words.points(difference.value)} points "
        f"{words.interval(difference.ci95)}"
    )
    if difference.ci95[0] > 0:
        return rates
    return f"{rates}. The positive rate does not exceed that of noise: these pairs cannot be told from chance"


def _agreement(agreement: JudgeAgreement) -> str:
    if agreement.concordance is None:
        order = f"{agreement.metric} is the same for all outputs, so the judge cannot be compared with it"
    else:
        share = words.percent(agreement.concordance)
        order = (
            f"it orders {share} of the pairs of outputs that {agreement.metric} tells apart as {agreement.metric} does"
        )
    length = (
        ""
        if agreement.length_correlation is None
        else (f"; rank correlation of score and length {agreement.length_correlation:+.2f}")
    )
    return f"judge: {order}{length} ({words.plural(agreement.num_outputs, 'output')})"
