"""The bench of a run as the page shows it: bench.json, with its table, sweeps and claims as dots on shared axes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup
from pydantic import Field

from cowest import plots, words
from cowest.report.records import Comparison, Lenient, MethodRow, Metric, Results

BEATS_EACH = "collaboration_beats_each_alone"
"""The claim whose contrasts are those of the pair with each model alone."""

_SERIES = {
    "weak_only": ("weak alone", "plain"),
    "strong_only": ("strong alone", "other"),
    "collaborate_sft": ("together, not aligned", "before"),
    "collaborate": ("together, aligned", "pair"),
}
_ALIGNED = {False: ("without alignment", "before"), True: ("with alignment", "pair")}
_TONES = {"reproduced": "better", "not reproduced": "worse"}


class Point(MethodRow):
    """A row of the table or a point of a sweep; `metrics` is empty and `reason` says why where it failed."""

    name: str
    state: str = "done"
    reason: str | None = None
    format: str = ""
    aligned: bool = False
    pairs: int = 0
    weak: str = ""
    strong: str = ""
    row: str = ""


class Claim(Lenient):
    """A claim of the paper and how it came out."""

    name: str
    statement: str = ""
    verdict: str
    p_value: float | None = None
    p_holm: float | None = None
    contrasts: list[Comparison] = Field(default_factory=list)
    note: str = ""

    @property
    def tone(self) -> str:
        """A class name for the colour of the verdict."""
        return _TONES.get(self.verdict, "unclear")


class Bench(Lenient):
    """bench.json."""

    task: str | None = None
    metric: str | None = None
    num_examples: int | None = None
    seed: int | None = None
    rows: list[Point] = Field(default_factory=list)
    sweeps: dict[str, list[Point]] = Field(default_factory=dict)
    unhelpful_share: dict[str, Metric] | None = None
    claims: list[Claim] = Field(default_factory=list)

    @property
    def metric_names(self) -> list[str]:
        """Every metric, the headline first."""
        names = [name for row in self.rows for name in row.metrics]
        return list(dict.fromkeys([*([self.metric] if self.metric else []), *names]))

    def as_results(self) -> Results:
        """Its rows in the shape of an evaluation, for a headline where the run itself was not evaluated."""
        named = {row.name: row for row in self.rows}
        contrasts = [each for claim in self.claims if claim.name == BEATS_EACH for each in claim.contrasts]
        return Results(
            task=self.task or "",
            metric=self.metric or "",
            num_examples=self.num_examples or 0,
            seed=self.seed,
            methods={name: row for name, row in named.items() if row.metrics},
            comparisons=contrasts,
        )

    def cost_per_query(self, row: Point) -> str:
        """What a row costs a query, in words."""
        if row.cost_usd is None or not self.num_examples:
            return words.money(None)
        return words.money(row.cost_usd / self.num_examples)


@dataclass(frozen=True)
class Line:
    """One line of a chart: its label, what stands in it by series, and the dots."""

    label: str
    values: list[tuple[str, str, str]]
    """A class name of ours, the name of the series and the value in words."""
    dots: Markup


@dataclass(frozen=True)
class Chart:
    """Lines of dots on one axis."""

    scale: Markup
    lines: list[Line]


def read(path: Path) -> Bench | None:
    """What bench.json says; None where there is none.

    Raises:
        ValueError, OSError: the file is broken.
    """
    if not path.is_file():
        return None
    return Bench.model_validate(json.loads(path.read_text(encoding="utf-8")))


def view(bench: Bench) -> dict[str, Any]:
    """What the template shows of a bench: `charts` of the table's rows, sweeps and claims, and what failed.

    Charts are `rows` (dots by name, the axis under ""), `formats`, `models` and `unhelpful` (None where nothing was
    measured), `pairs` and `rounds` (curves, None below two points), and `claims` (dots by claim and contrast).
    """
    failed = {each.name: each.reason or "" for each in [*bench.rows, *_all_points(bench)] if each.state == "failed"}
    return {
        "rows": _rows(bench),
        "formats": _chart(bench, "formats", lambda point: point.format.replace("_", " "), _of_format),
        "models": _chart(bench, "models", _pair_of_models, lambda point: _SERIES.get(point.row, (point.row, "plain"))),
        "pairs": _trend(bench, "pairs", "preference pairs"),
        "rounds": _trend(bench, "rounds", "rounds of alignment"),
        "unhelpful": _unhelpful(bench),
        "claims": _claims(bench),
        "failed": {name: " ".join(reason.split()) for name, reason in failed.items()},
    }


def _all_points(bench: Bench) -> list[Point]:
    return [point for points in bench.sweeps.values() for point in points]


def _score(bench: Bench, point: Point) -> Metric | None:
    return point.metrics.get(bench.metric or "") if point.state == "done" else None


def _measured(bench: Bench, points: Sequence[Point]) -> list[tuple[Point, Metric]]:
    return [(point, score) for point in points if (score := _score(bench, point)) is not None]


def _axis(scores: Sequence[Metric]) -> plots.Axis:
    return plots.axis([bound for each in scores for bound in (each.value, *(each.ci95 or ()))])


def _words(score: Metric | None) -> str:
    return "failed" if score is None else f"{words.percent(score.value)} {words.interval(score.ci95)}".rstrip()


def _rows(bench: Bench) -> dict[str, Markup]:
    measured = _measured(bench, bench.rows)
    on = _axis([score for _, score in measured])
    dots = {
        row.name: plots.interval(score.value, score.ci95, on, kind="pair" if row.name == "collaborate" else "plain")
        for row, score in measured
    }
    return {"": plots.scale(on), **dots}


def _of_format(point: Point) -> tuple[str, str]:
    return _ALIGNED[point.aligned]


def _pair_of_models(point: Point) -> str:
    return f"weak: {point.weak}, strong: {point.strong}"


def _chart(bench: Bench, sweep: str, group: Any, series: Any) -> Chart | None:
    points = bench.sweeps.get(sweep, [])
    measured = _measured(bench, points)
    if not measured:
        return None
    on = _axis([score for _, score in measured])
    lines = []
    for name, some in groupby(points, group):  # the file has the points of a group together
        entries = [(*series(point), _score(bench, point)) for point in some]
        dots = [(score.value, score.ci95, kind) for _, kind, score in entries if score is not None]
        lines.append(Line(name, [(kind, title, _words(score)) for title, kind, score in entries], plots.dots(dots, on)))
    return Chart(plots.scale(on), lines)


def _trend(bench: Bench, sweep: str, title: str) -> dict[str, Any] | None:
    measured = _measured(bench, bench.sweeps.get(sweep, []))
    if len(measured) < 2:
        return None
    places = [(point.pairs if sweep == "pairs" else index if point.round is None else point.round)
              for index, (point, _) in enumerate(measured)]  # fmt: skip
    points = [(float(place), score.value, score.ci95) for place, (_, score) in zip(places, measured, strict=True)]
    numbers = [(words.count(place), _words(score)) for place, (_, score) in zip(places, measured, strict=True)]
    return {"title": title, "plot": plots.trend(points), "numbers": numbers}


def _unhelpful(bench: Bench) -> Chart | None:
    shares = bench.unhelpful_share
    if not shares:
        return None
    on = _axis(list(shares.values()))
    kinds = {"before": "before", "after": "pair"}
    lines = [
        Line(f"{name} alignment", [(kinds.get(name, "plain"), "", _words(each))],
             plots.interval(each.value, each.ci95, on, kind=kinds.get(name, "plain")))
        for name, each in shares.items()
    ]  # fmt: skip
    return Chart(plots.scale(on), lines)


def _claims(bench: Bench) -> dict[str, Any]:
    contrasts = [each for claim in bench.claims for each in claim.contrasts]
    on = plots.axis([0.0, *(bound for each in contrasts for bound in (each.difference, *(each.ci95 or ())))])
    dots = {
        f"{claim.name} {index}": plots.interval(each.difference, each.ci95, on, kind=each.verdict)
        for claim in bench.claims
        for index, each in enumerate(claim.contrasts)
    }
    return {"": plots.scale(on), **dots}
