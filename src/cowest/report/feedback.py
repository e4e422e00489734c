"""The diagnostics of a round of feedback in sentences and plots: the null control and the judge's agreement."""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from cowest import plots, words
from cowest.records import FeedbackSummary, JudgeAgreement, NullControl, PairLabels
from cowest.report.judging import judging_sentences

DISAGREES = 0.6
"""Below this concordance with the metric, a judge is little better than chance (0.5)."""


_FEW_PAIRS = 10
_MOST, _FEW = 0.8, 0.2


def diagnostic_sentences(feedback: FeedbackSummary) -> Iterator[str]:
    """One sentence per diagnostic that was computed."""
    if feedback.null_control is not None:
        yield null_control_sentence(feedback.null_control)
    if feedback.judge_agreement is not None:
        yield _agreement_sentence(feedback.judge_agreement)
    yield from judging_sentences(feedback)
    if feedback.pair_labels is not None:
        yield _pair_labels_sentence(feedback.pair_labels)


def null_control_sentence(control: NullControl) -> str:
    """Compares drafts with a second sample of the strong model: which beats the first sample more often."""
    real, null, difference = control.real_positive_rate, control.positive_rate, control.difference
    if real is None or null is None or difference is None or difference.ci95 is None:
        return "null control: no query gave both a draft and a second sample with a score, so there is nothing to say"
    rates = (
        f"null control: drafts beat the strong model alone in {words.estimate(real.value, real.ci95)}, "
        f"its own second sample in {words.estimate(null.value, null.ci95)} of "
        f"{words.plural(control.num_examples, 'query')}; difference {words.points(difference.value)} points "
        f"{words.interval(difference.ci95)}"
    )
    if not is_within_noise(control):
        return rates
    return f"{rates}. The positive rate does not exceed that of noise: these pairs cannot be told from chance"


def is_within_noise(control: NullControl | None) -> bool:
    """Whether there is a control and drafts do not measurably beat the strong model's second sample."""
    difference = control.difference if control else None
    return difference is not None and difference.ci95 is not None and difference.ci95[0] <= 0


def one_sided_sentence(labels: PairLabels | None) -> str | None:
    """What pairs teach that nearly all prefer one label to others; None where they do not, or are few."""
    if labels is None or sum(labels.chosen.values()) < _FEW_PAIRS:
        return None
    label, count = max(labels.chosen.items(), key=lambda each: each[1])
    share = count / sum(labels.chosen.values())
    rejected = labels.rejected.get(label, 0) / max(1, sum(labels.rejected.values()))
    if share < _MOST or rejected > _FEW:
        return None
    return (
        f'{words.percent(share)} of the preferred drafts say "{label}" and {words.percent(rejected)} of the rejected '
        "ones, so alignment may teach to say that always: compare drafts before and after it"
    )


@dataclass(frozen=True)
class ControlChart:
    """Rates on one axis; each line has a label, the rate as text, and its dot."""

    scale: Markup
    lines: list[tuple[str, str, Markup]]


def null_control_chart(feedback: FeedbackSummary) -> ControlChart | None:
    """The positive rate of drafts beside that of a second sample, as dots on one axis; None without a control."""
    control = feedback.null_control
    if control is None or control.real_positive_rate is None or control.positive_rate is None:
        return None
    rates = (
        ("drafts of the weak model", control.real_positive_rate, "pair"),
        ("a second sample of the strong model", control.positive_rate, "plain"),
    )
    axis = plots.axis([bound for _, rate, _ in rates for bound in (rate.value, *(rate.ci95 or ()))])
    lines = [
        (label, words.estimate(rate.value, rate.ci95),
         plots.interval(rate.value, rate.ci95, axis, kind=kind))
        for label, rate, kind in rates
    ]  # fmt: skip
    return ControlChart(plots.scale(axis), lines)


@dataclass(frozen=True)
class CalibrationPlot:
    """The mean metric by verdict; each of `numbers` has the verdict, the number of outputs, and the mean."""

    metric: str
    plot: Markup
    numbers: list[tuple[str, str, str]]


def calibration_plot(feedback: FeedbackSummary) -> CalibrationPlot | None:
    """The mean metric of the outputs by their verdict; None where that was not measured."""
    agreement = feedback.judge_agreement
    if agreement is None or not agreement.calibration:
        return None
    calibration = sorted(agreement.calibration, key=lambda each: each.verdict)
    points = [(float(each.verdict), each.value, each.ci95) for each in calibration]
    return CalibrationPlot(
        metric=agreement.metric.replace("_", " "),
        plot=plots.trend(points, under=[words.short_count(each.num_outputs) for each in calibration], joined=False),
        numbers=[
            (str(each.verdict), words.count(each.num_outputs), words.estimate(each.value, each.ci95))
            for each in calibration
        ],
    )


def _pair_labels_sentence(labels: PairLabels) -> str:
    def counts(by_label: dict[str, int]) -> str:
        return ", ".join(f"{label} {words.count(number)}" for label, number in by_label.items()) or "none"

    return f"labels in pairs: preferred drafts {counts(labels.chosen)}; rejected drafts {counts(labels.rejected)}"


def _agreement_sentence(agreement: JudgeAgreement) -> str:
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
