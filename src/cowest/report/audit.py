"""The audit of a run on the terminal and on its page: findings, slices, what drafts decide, calibration, swaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from markupsafe import Markup

from cowest import plots, words
from cowest.method_names import label
from cowest.records import AuditResults, CorrectedDifference, Flips, Share, Slice
from cowest.report.drawing import Drawing, Line
from cowest.report.fitting import FittingTable, text_table
from cowest.report.tones import tone
from cowest.statistics import BETTER, WORSE

_VERDICTS = {BETTER: "better", WORSE: "worse"}
_STYLES = {BETTER: "green", WORSE: "red"}
_NOT_SHOWN = "not shown"

SLICE_HEADINGS = ("slice", "examples", "weak", "strong alone", "pair", "points", "95%", "p, Holm", "helps", "harms")
_SPARE_OF_SLICES = ("weak", "strong alone", "pair", "examples", "p, Holm")
BIN_HEADINGS = ("confidence", "drafts", "mean", "right", "points", "95%", "p, Holm")
SWAP_HEADINGS = ("answers of", "changed", "asked again", "points", "95%", "p, Holm")


@dataclass(frozen=True)
class AuditSection:
    """The section on the page of a run.

    Attributes:
        scope: what was compared, on which examples.
        slices: name, dot, cells and the tone of the verdict of each; their shared axis under "" in `dots`.
        sentences: on over-reliance, calibration and swaps.
        bins, swaps: rows of cells.
    """

    scope: str
    audit: AuditResults
    dots: dict[str, Markup]
    sentences: list[str]
    bins: list[tuple[str, ...]]
    swaps: list[tuple[str, ...]]
    swaps_title: str


def print_audit(audit: AuditResults, stream: TextIO | None = None) -> None:
    """Prints an audit: what it found, then the numbers."""
    draw_audit(audit).print(stream)


def draw_audit(audit: AuditResults) -> Drawing:
    """The scope, the findings, the slices, and the tables of calibration and swaps where there are any."""
    parts: list[Line | FittingTable] = [Line(scope(audit), "bold"), Line(summary(audit))]
    parts += [Line(f"• {finding.text}", "yellow") for finding in audit.findings]
    parts += [slices_table(audit)] if audit.slices else []
    parts += map(Line, sentences(audit))
    if audit.calibration is not None:
        parts.append(text_table(_BINS, (*BIN_HEADINGS, "verdict"), _styled(bin_rows(audit)), ("p, Holm", "mean")))
    if audit.swaps is not None:
        headings = (*SWAP_HEADINGS, "verdict")
        parts.append(text_table(_swaps_title(audit), headings, _styled(swap_rows(audit)), ("p, Holm",)))
    return Drawing(parts)


_BINS = "Confidence of the drafts; points: the share that is right minus the mean confidence"


def scope(audit: AuditResults) -> str:
    """What was compared, on which examples."""
    examples = words.plural(audit.num_examples, "example")
    examples += "" if audit.num_groups is None else f" in {words.plural(audit.num_groups, 'group')}"
    left_out = f", without {audit.num_failed:,} that failed" if audit.num_failed else ""
    metric = audit.metric.replace("_", " ")
    return f"{label(audit.pair)} ({audit.pair}) against {audit.strong}: {metric} of {examples}{left_out}"


def summary(audit: AuditResults) -> str:
    """How many findings there are."""
    overall = audit.overall
    difference = f"{words.points(overall.difference)} points {words.interval(overall.ci95)} in all"
    if not audit.findings:
        return f"{difference}. Nothing was found."
    return f"{difference}. {words.plural(len(audit.findings), 'finding')}:"


def slices_table(audit: AuditResults) -> FittingTable:
    """One row for each slice, in percentage points."""
    title = (
        f"{words.plural(len(audit.slices), 'slice')} of at least {audit.min_slice} examples; points: pair minus strong "
        "alone; verdicts are corrected for the number of slices (Holm)"
    )
    rows = [(*slice_cells(each), _verdict(each), _STYLES.get(each.verdict, "")) for each in audit.slices]
    return text_table(title, (*SLICE_HEADINGS, "verdict"), rows, _SPARE_OF_SLICES)


def slice_cells(found: Slice) -> tuple[str, ...]:
    """The cells of a slice under `SLICE_HEADINGS`."""
    return (
        f"{found.field}: {found.value}",
        words.count(found.num_examples),
        "–" if found.weak is None else words.percent(found.weak.value),
        words.percent(found.strong.value),
        words.percent(found.pair.value),
        words.points(found.difference),
        words.interval(found.ci95),
        words.p_value(found.p_holm),
        words.percent(found.help_rate),
        words.percent(found.harm_rate),
    )


def bin_rows(audit: AuditResults) -> list[tuple[str, ...]]:
    """A row for each bin of confidence under `BIN_HEADINGS`, and its verdict."""
    if audit.calibration is None:
        return []
    return [
        (
            f"{100 * each.low:.1f} to {words.percent(each.high)}",
            words.count(each.num_examples),
            words.percent(each.confidence),
            words.percent(each.right.value),
            words.points(each.difference),
            words.interval(each.ci95),
            words.p_value(each.p_holm),
            {BETTER: "not sure enough", WORSE: "too sure"}.get(each.verdict, _NOT_SHOWN),
        )
        for each in audit.calibration.bins
    ]


def swap_rows(audit: AuditResults) -> list[tuple[str, ...]]:
    """A row for each way of answering under `SWAP_HEADINGS`, and its verdict; the last compares the two."""
    if (swaps := audit.swaps) is None:
        return []
    rows = [_flips_row(name, flips) for name, flips in ((audit.strong, swaps.strong), (audit.pair, swaps.pair))]
    return [*rows, (f"{audit.pair} − {audit.strong}", "", "", *_changed(swaps.difference))]


def sentences(audit: AuditResults) -> list[str]:
    """Over-reliance, calibration and swaps in sentences; what the run does not hold, and what was left out."""
    found = [f"Not sliced: {name}: {reason}." for name, reason in audit.left_out.items()]
    if (reliance := audit.reliance) is not None:
        found.append(
            f"Drafts are right in {_share(reliance.draft_right)}. Of the queries that the strong model has right alone "
            f"and the draft has wrong, the pair gives the draft's answer in {_share(reliance.took_wrong)}. Of those "
            f"that the draft has right, the pair is wrong in {_share(reliance.left_right)}."
        )
    if (calibration := audit.calibration) is not None:
        ranked = calibration.ranked_right
        found.append(
            f"The weak model's mean confidence in its answers is {words.percent(calibration.confidence)}; "
            f"{words.estimate(calibration.right.value, calibration.right.ci95)} of "
            f"{words.plural(calibration.num_examples, 'draft')} are right. Expected calibration error: "
            f"{100 * calibration.error:.1f} points; confidences that fit would show about "
            f"{100 * calibration.error_if_calibrated:.1f}."
            + (
                ""
                if ranked is None
                else f" A right draft has more confidence than a wrong one in {words.percent(ranked)}."
            )
        )
    found += [f"No {_NAMES.get(name, name)}: {reason}." for name, reason in audit.missing.items()]
    if (swaps := audit.swaps) is not None and swaps.num_failed:
        found.append(f"Swaps: {words.plural(swaps.num_failed, 'example')} with a failed call are left out.")
    return found


_NAMES = {"reliance": "over-reliance"}


def audit_section(audit: AuditResults) -> AuditSection:
    """The section of an audit on the page of its run."""
    bounds = [bound for each in audit.slices for bound in (each.difference, *(each.ci95 or ()))]
    axis = plots.axis([0.0, *bounds])
    dots = {
        str(index): plots.interval(each.difference, each.ci95, axis, kind=tone(each.verdict))
        for index, each in enumerate(audit.slices)
    }
    return AuditSection(
        scope=scope(audit),
        audit=audit,
        dots={"": plots.scale(axis), **dots},
        sentences=[summary(audit), *sentences(audit)],
        bins=bin_rows(audit),
        swaps=swap_rows(audit),
        swaps_title=_swaps_title(audit),
    )


def _swaps_title(audit: AuditResults) -> str:
    if (swaps := audit.swaps) is None:
        return ""
    pairs = ", ".join("/".join(pair) for pair in swaps.words[:3]) + (", ..." if len(swaps.words) > 3 else "")
    return (
        f"Words swapped ({pairs}) in {swaps.num_examples:,} of {words.plural(swaps.num_matching, 'query')} that hold "
        "them; points: answers changed by the swap minus those changed when asked again"
    )


def _flips_row(name: str, flips: Flips) -> tuple[str, ...]:
    again = "–" if flips.changed_again is None else words.percent(flips.changed_again.value)
    return name, words.percent(flips.changed.value), again, *_changed(flips.difference)


def _changed(difference: CorrectedDifference) -> tuple[str, ...]:
    """Points, interval, p and verdict of how many more answers change: the file holds how many more stay."""
    bounds = None if difference.ci95 is None else (-difference.ci95[1], -difference.ci95[0])
    return (
        words.points(-difference.difference),
        words.interval(bounds),
        words.p_value(difference.p_holm),
        _verdict(difference),
    )


def _share(share: Share | None) -> str:
    if share is None:
        return "none (there are no such queries)"
    return f"{words.estimate(share.value, share.ci95)} of {share.num:,}"


def _verdict(difference: CorrectedDifference) -> str:
    return _VERDICTS.get(difference.verdict, _NOT_SHOWN)


def _styled(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [(*row, "" if row[-1] == _NOT_SHOWN else "green" if row[-1] == BETTER else "red") for row in rows]
