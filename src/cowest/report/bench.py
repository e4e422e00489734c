"""The charts of a bench on the page: rows, sweeps and claims as dots on shared axes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from cowest import plots, words
from cowest.method_names import COLLABORATE, COLLABORATE_SFT, STRONG_ONLY, WEAK_ONLY
from cowest.records import BenchResults, BenchRow, Estimate
from cowest.report.calls import CallsChart, calls_chart
from cowest.report.evaluation import Trend
from cowest.report.tones import tone

CLAIM_TONES = {"reproduced": "better", "not reproduced": "worse", "inconclusive": "unclear"}
"""The CSS class of each outcome."""

_SERIES = {
    WEAK_ONLY: ("weak alone", "plain"),
    STRONG_ONLY: ("strong alone", "other"),
    COLLABORATE_SFT: ("together, not aligned", "before"),
    COLLABORATE: ("together, aligned", "pair"),
}
_ALIGNED = {False: ("without alignment", "before"), True: ("with alignment", "pair")}


@dataclass(frozen=True)
class Line:
    """One line of a chart: its label, its values by series, and the dots."""

    label: str
    values: list[tuple[str, str, str]]
    """CSS class, name of the series, and value as text."""
    dots: Markup


@dataclass(frozen=True)
class Chart:
    """Lines of dots on one axis."""

    scale: Markup
    lines: list[Line]


@dataclass(frozen=True)
class SweepTrend(Trend):
    """A curve whose horizontal axis is `title`."""

    title: str


@dataclass(frozen=True)
class BenchCharts:
    """The charts of a bench, for the template.

    Attributes:
        rows: dots by row name; the axis under "".
        formats, equal_pairs, models, unhelpful: None where nothing was measured.
        pairs, rounds, calls: None with fewer than two points.
        claims: dots by claim and index of the contrast; the axis under "".
        failed: reasons by name of the row or point.
    """

    rows: dict[str, Markup]
    formats: Chart | None
    equal_pairs: Chart | None
    models: Chart | None
    unhelpful: Chart | None
    pairs: SweepTrend | None
    rounds: SweepTrend | None
    calls: CallsChart | None
    claims: dict[str, Markup]
    failed: dict[str, str]


def bench_charts(bench: BenchResults) -> BenchCharts:
    """The charts of a bench's rows, sweeps and claims."""
    failed = {each.name: each.reason or "" for each in [*bench.rows, *bench.points()] if each.state == "failed"}
    return BenchCharts(
        rows=_row_dots(bench),
        formats=_chart(bench, "formats", lambda point: (point.format or "").replace("_", " "), _format_series),
        equal_pairs=_chart(bench, "equal_pairs", lambda point: point.kind or "", lambda point: ("", "pair")),
        models=_chart(bench, "models", _pair_of_models, _model_series),
        pairs=_trend(bench, "pairs", "preference pairs"),
        rounds=_trend(bench, "rounds", "rounds of alignment"),
        calls=calls_chart(bench),
        unhelpful=_unhelpful(bench),
        claims=_claim_dots(bench),
        failed={name: " ".join(reason.split()) for name, reason in failed.items()},
    )


def cost_per_query(bench: BenchResults, row: BenchRow) -> str:
    """A row's cost per query, as text."""
    known = row.cost_usd is not None and bench.num_examples
    return words.money((row.cost_usd or 0.0) / (bench.num_examples or 1) if known else None)


def _score(bench: BenchResults, point: BenchRow) -> Estimate | None:
    return point.metrics.get(bench.metric or "") if point.state == "done" else None


def _measured(bench: BenchResults, points: Sequence[BenchRow]) -> list[tuple[BenchRow, Estimate]]:
    return [(point, score) for point in points if (score := _score(bench, point)) is not None]


def _axis(scores: Sequence[Estimate]) -> plots.Axis:
    return plots.axis([bound for each in scores for bound in (each.value, *(each.ci95 or ()))])


def _estimate_text(score: Estimate | None) -> str:
    return "failed" if score is None else words.estimate(score.value, score.ci95)


def _row_dots(bench: BenchResults) -> dict[str, Markup]:
    measured = _measured(bench, bench.rows)
    axis = _axis([score for _, score in measured])
    dots = {
        row.name: plots.interval(score.value, score.ci95, axis, kind="pair" if row.name == COLLABORATE else "plain")
        for row, score in measured
    }
    return {"": plots.scale(axis), **dots}


def _format_series(point: BenchRow) -> tuple[str, str]:
    return _ALIGNED[bool(point.aligned)]


def _model_series(point: BenchRow) -> tuple[str, str]:
    return _SERIES.get(point.row or "", (point.row or "", "plain"))


def _pair_of_models(point: BenchRow) -> str:
    return f"weak: {point.weak}, strong: {point.strong}"


def _chart(
    bench: BenchResults,
    sweep: str,
    group: Callable[[BenchRow], str],
    series: Callable[[BenchRow], tuple[str, str]],
) -> Chart | None:
    points = bench.sweeps.get(sweep, [])
    measured = _measured(bench, points)
    if not measured:
        return None
    axis = _axis([score for _, score in measured])
    lines = []
    for name, members in groupby(points, group):  # the points of a group are consecutive in the file
        entries = [(*series(point), _score(bench, point)) for point in members]
        dots = [(score.value, score.ci95, kind) for _, kind, score in entries if score is not None]
        lines.append(
            Line(name, [(kind, title, _estimate_text(score)) for title, kind, score in entries], plots.dots(dots, axis))
        )
    return Chart(plots.scale(axis), lines)


def _trend(bench: BenchResults, sweep: str, title: str) -> SweepTrend | None:
    measured = _measured(bench, bench.sweeps.get(sweep, []))
    if len(measured) < 2:
        return None
    places = [
        float((point.pairs or 0) if sweep == "pairs" else index if point.round is None else point.round)
        for index, (point, _) in enumerate(measured)
    ]
    scores = [score for _, score in measured]
    return SweepTrend(
        plots.trend([(place, score.value, score.ci95) for place, score in zip(places, scores, strict=True)]),
        [(words.count(place), _estimate_text(score)) for place, score in zip(places, scores, strict=True)],
        title,
    )


def _unhelpful(bench: BenchResults) -> Chart | None:
    shares = bench.unhelpful_share
    if not shares:
        return None
    axis = _axis(list(shares.values()))
    kinds = {"before": "before", "after": "pair"}
    lines = [
        Line(f"{name} alignment", [(kinds.get(name, "plain"), "", _estimate_text(each))],
             plots.interval(each.value, each.ci95, axis, kind=kinds.get(name, "plain")))
        for name, each in shares.items()
    ]  # fmt: skip
    return Chart(plots.scale(axis), lines)


def _claim_dots(bench: BenchResults) -> dict[str, Markup]:
    contrasts = [each for claim in bench.claims for each in claim.contrasts]
    axis = plots.axis([0.0, *(bound for each in contrasts for bound in (each.difference, *(each.ci95 or ())))])
    dots = {
        f"{claim.name} {index}": plots.interval(each.difference, each.ci95, axis, kind=tone(each.verdict))
        for claim in bench.claims
        for index, each in enumerate(claim.contrasts)
    }
    return {"": plots.scale(axis), **dots}
