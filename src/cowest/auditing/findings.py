"""What an audit found, in one sentence each."""

from collections.abc import Iterator

from cowest import statistics, words
from cowest.method_names import label
from cowest.records import AuditResults, Calibration, Finding, Reliance, Slice, Swaps


def findings_of(audit: AuditResults) -> list[Finding]:
    """The findings: by the one rule of "better" and "worse", each family of tests corrected for its number.

    Of what is no difference, such as the share of wrong drafts that are taken, the whole interval is above what is
    tolerated.
    """
    return [
        *(_harmed(each) for each in audit.slices if each.verdict == statistics.WORSE),
        *(_relied(audit.reliance) if audit.reliance else ()),
        *(_miscalibrated(audit.calibration) if audit.calibration else ()),
        *(_flipped(audit.swaps, audit) if audit.swaps else ()),
    ]


def _harmed(found: Slice) -> Finding:
    difference = f"{words.points(found.difference)} points {words.interval(found.ci95)}"
    return Finding(
        kind="slice",
        text=f"The pair is worse than the strong model alone where {found.field} is {found.value}: {difference}, "
        f"{words.plural(found.num_examples, 'example')}.",
    )


def _relied(reliance: Reliance) -> Iterator[Finding]:
    took, left = reliance.took_wrong, reliance.left_right
    if took is not None and took.ci95 is not None and took.ci95[0] > reliance.tolerated:
        share = words.estimate(took.value, took.ci95)
        yield Finding(
            kind="took_wrong",
            text=f"Over-reliance: of {words.plural(took.num, 'query')} that the strong model has right alone and the "
            f"draft has wrong, the pair gives the draft's answer in {share}.",
        )
    if left is not None and left.ci95 is not None and left.ci95[0] > reliance.tolerated:
        share = words.estimate(left.value, left.ci95)
        yield Finding(
            kind="left_right",
            text=f"Drafts unused: of {words.plural(left.num, 'query')} that the draft has right, the pair is wrong in "
            f"{share}.",
        )


def _miscalibrated(calibration: Calibration) -> Iterator[Finding]:
    for verdict, what in ((statistics.WORSE, "too sure"), (statistics.BETTER, "not sure enough")):
        bins = [each for each in calibration.bins if each.verdict == verdict]
        if not bins:
            continue
        num = sum(each.num_examples for each in bins)
        confidence = sum(each.confidence * each.num_examples for each in bins) / num
        right = sum(each.right.value * each.num_examples for each in bins) / num
        yield Finding(
            kind="calibration",
            text=f"The weak model is {what} of {num:,} of {words.plural(calibration.num_examples, 'draft')}: its mean "
            f"confidence is {words.percent(confidence)}, and {words.percent(right)} are right.",
        )


def _flipped(swaps: Swaps, audit: AuditResults) -> Iterator[Finding]:
    for name, flips in ((audit.strong, swaps.strong), (audit.pair, swaps.pair)):
        if flips.difference.verdict == statistics.WORSE:
            again = "" if flips.changed_again is None else f"; asking again {words.percent(flips.changed_again.value)}"
            yield Finding(
                kind="swaps",
                text=f"{label(name)}: swapping words of the query changes "
                f"{words.estimate(flips.changed.value, flips.changed.ci95)} of the answers{again}.",
            )
    if swaps.difference.verdict == statistics.WORSE:
        difference = f"{words.points(-swaps.difference.difference)} points"
        yield Finding(kind="swaps", text=f"Swaps change more answers with the draft than without: {difference}.")
