"""What was measured of a judge, in sentences: agreement in a panel, and effects of length and order."""

from collections.abc import Iterator

from cowest import words
from cowest.records import FeedbackSummary, LengthEffect, OrderEffect, PanelAgreement


def judging_sentences(feedback: FeedbackSummary) -> Iterator[str]:
    """One sentence for each of them that was measured in a round of feedback."""
    if feedback.panel is not None:
        yield panel_sentence(feedback.panel)
    if feedback.length_effect is not None and feedback.length_effect.within_query is not None:
        yield _length_sentence(feedback.length_effect)
    if feedback.order_effect is not None:
        yield _order_sentence(feedback.order_effect)


def panel_sentence(panel: PanelAgreement) -> str:
    """Krippendorff's alpha of a panel, and what each member gave."""
    alpha = "not known, since all verdicts are equal" if panel.alpha is None else f"{panel.alpha:.2f}"
    members = "; ".join(
        f"{role} {'-' if member.mean is None else f'{member.mean:.1f}'}"
        + (f" ({words.count(member.num_unscored)} unscored)" if member.num_unscored else "")
        for role, member in panel.members.items()
    )
    return (
        f"panel: Krippendorff's alpha {alpha} ({words.plural(panel.num_outputs, 'output')}; 1 is full agreement, 0 "
        f"chance); mean verdicts: {members}"
    )


def _length_sentence(effect: LengthEffect) -> str:
    beside = "" if effect.at_equal_metric is None else f", {effect.at_equal_metric:+.2f} among those equally right"
    return (
        f"length: correlation of verdict and length among the outputs of one query {effect.within_query:+.2f}{beside} "
        f"({words.plural(effect.num_outputs, 'output')})"
    )


def _order_sentence(effect: OrderEffect) -> str:
    right = ""
    if effect.concordance is not None:
        right = f"; where the metric tells the two apart, the better one wins {words.percent(effect.concordance)}"
    return (
        f"order: {words.estimate(effect.first_share.value, effect.first_share.ci95)} of the votes are for the text "
        f"shown first; {words.count(effect.num_split)} of {words.plural(effect.num_comparisons, 'comparison')} are "
        f"split, and count as ties{right}"
    )
