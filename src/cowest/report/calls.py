"""The pair against paid calls on the page of a bench: a line for each method of alignment, numbered at its dots."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cowest import plots, words
from cowest.records import BenchResults, BenchRow, Estimate

_WIDE, _TALL, _LEFT, _TOP = 520, 240, 40, 14
_APART = 9
"""Horizontal pixels between the lines of two methods, whose calls are often equal."""

Measured = tuple[float, Estimate]
"""Paid calls of all roles, and the score."""


@dataclass(frozen=True)
class MethodLine:
    """The points of a method, as text: its name, and where it was measured with what came of it."""

    name: str
    values: list[tuple[str, str]]


@dataclass(frozen=True)
class CallsChart:
    """The plot, and its numbers by method in the order of the numbers in the plot."""

    plot: Markup
    lines: list[MethodLine]


def calls_chart(bench: BenchResults) -> CallsChart | None:
    """The sweep over calls; None where fewer than two of its points are known."""
    known = [
        (point, (point.num_paid_calls, point.metrics[bench.metric or ""]))
        for point in bench.sweeps.get("calls", [])
        if point.state == "done" and point.num_paid_calls is not None and (bench.metric or "") in point.metrics
    ]
    start = next((at for point, at in known if point.alignment is None), None)
    names = list(dict.fromkeys(point.alignment for point, _ in known if point.alignment is not None))
    if len(known) < 2 or not names:
        return None
    of_name = {name: [(point, at) for point, at in known if point.alignment == name] for name in names}
    joined = [[at for point, at in points if point.queries is None] for points in of_name.values()]
    loose = [[at for point, at in points if point.queries is not None] for points in of_name.values()]
    return CallsChart(
        _plot(start, joined, loose),
        [MethodLine(name, [_text(*each) for each in points]) for name, points in of_name.items()],
    )


def _text(point: BenchRow, at: Measured) -> tuple[str, str]:
    calls, score = at
    what = words.plural(point.round or 0, "round") if point.queries is None else f"{point.queries:,} queries"
    return f"{what}, {words.plural(round(calls), 'call')}", words.estimate(score.value, score.ci95)


def _plot(start: Measured | None, joined: Sequence[Sequence[Measured]], loose: Sequence[Sequence[Measured]]) -> Markup:
    """A line from the start through the rounds of each method, and dots beside it for single rounds of another size."""
    first = [] if start is None else [start]
    every = [at for points in (first, *joined, *loose) for at in points]
    on = plots.axis([bound for _, each in every for bound in (each.value, *(each.ci95 or ()))])
    most = max(calls for calls, _ in every) or 1.0

    def x(calls: float, number: float = 0.0) -> float:
        return round(_LEFT + 30 + (_WIDE - _LEFT - 70) * calls / most + _APART * number, 1)

    def y(share: float) -> float:
        return round(_TOP + _TALL * (on.high - min(max(share, on.low), on.high)) / (on.high - on.low), 1)

    drawn = plots.grid(on, y, _LEFT, _WIDE)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = x(share * most)
        drawn.append(f'<text x="{at}" y="{_TOP + _TALL + 20}" text-anchor="middle">{share * most:,.0f}</text>')
    for number, (line, dots) in enumerate(zip(joined, loose, strict=True), 1):
        kind, shift = "plain" if number > 1 else "pair", number - (len(joined) + 1) / 2
        places = [(x(each[0]), each) for each in first] + [(x(each[0], shift), each) for each in line]
        path = " ".join(f"{place},{y(score.value)}" for place, (_, score) in places)
        marks = [_dot(x(calls, shift), score, y, str(number)) for calls, score in (*line, *dots)]
        drawn.append(f'<g class="interval {kind}"><polyline class="line" points="{path}"/>{"".join(marks)}</g>')
    drawn += [f'<g class="interval before">{_dot(x(calls), score, y, "")}</g>' for calls, score in first]
    height = _TOP + _TALL + 28
    return Markup(
        f'<svg class="tradeoff calls" viewBox="0 0 {_WIDE} {height}" aria-hidden="true">{"".join(drawn)}</svg>'
    )


def _dot(at: float, score: Estimate, y: Callable[[float], float], mark: str) -> str:
    span = ""
    if score.ci95 is not None:
        low, high = score.ci95
        span = f'<line class="span" x1="{at}" x2="{at}" y1="{y(low)}" y2="{y(high)}"/>'
    text = f'<text class="mark" x="{at}" y="{y(score.value) + 4}" text-anchor="middle">{mark}</text>' if mark else ""
    return f'{span}<circle class="dot" cx="{at}" cy="{y(score.value)}" r="{8 if mark else 5}"/>{text}'
