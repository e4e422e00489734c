"""Inline SVG: dots with intervals on a shared axis, curves, bars. Numbers only, no text from data."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cowest import words

WIDTH, HEIGHT, MARGIN = 210, 30, 14

Bounds = tuple[float, float] | None

_APART = 17
"""Vertical pixels from dot to dot of one line of a chart."""

_LABEL, _MANY = 28, 12
"""Pixels that a label takes, and the number of points with a second line below from which labels are thinned out."""


@dataclass(frozen=True)
class Axis:
    """A range of values and its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def x(self, value: float) -> float:
        """The position of `value` in pixels; values outside the axis are put at its edge."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(MARGIN + share * (WIDTH - 2 * MARGIN), 1)


def axis(values: Iterable[float]) -> Axis:
    """An axis of round numbers that holds all values, at least 0.1 wide."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    margin = max(0.0, 0.05 - (high - low) / 2)
    low, high = low - margin, high + margin
    spread = high - low
    step = next(step for step in (0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, spread) if spread / step <= 5.001)
    first = math.floor(round(low / step, 6))
    last = max(math.ceil(round(high / step, 6)), first + 1)
    ticks = tuple(round(number * step, 6) for number in range(first, last + 1))
    return Axis(low=ticks[0], high=ticks[-1], ticks=ticks)


def scale(on: Axis) -> Markup:
    """The axis itself, ticks in percent."""
    labels = "".join(
        f'<text x="{on.x(tick)}" y="14" text-anchor="middle">{100 * tick:g}</text>' for tick in on.ticks
    ).replace("-", "−")
    return _svg(labels, 20, "scale")


def interval(value: float, bounds: tuple[float, float] | None, on: Axis, *, kind: str = "plain") -> Markup:
    """A dot with its interval.

    Args:
        kind: the CSS class that gives the colour: "plain", "pair", "better", "worse" or "unclear".
    """
    middle = HEIGHT / 2
    grid = "".join(
        f'<line class="{"grid" if tick or on.low >= 0 else "zero"}" x1="{on.x(tick)}" x2="{on.x(tick)}" '
        f'y1="0" y2="{HEIGHT}"/>'
        for tick in on.ticks
    )
    span = ""
    if bounds is not None:
        left, right = on.x(bounds[0]), on.x(bounds[1])
        span = f'<line class="span" x1="{left}" x2="{right}" y1="{middle}" y2="{middle}"/>'
    return _svg(f'{grid}{span}<circle class="dot" cx="{on.x(value)}" cy="{middle}" r="5"/>', HEIGHT, f"interval {kind}")


def dots(series: Sequence[tuple[float, Bounds, str]], on: Axis) -> Markup:
    """Dots with their intervals, one below the other, in one line of a chart.

    Args:
        series: value, interval and CSS class of each: "plain", "other", "before" or "pair".
    """
    height = _APART * max(len(series), 1) + 6
    drawn = [f'<line class="grid" x1="{on.x(tick)}" x2="{on.x(tick)}" y1="0" y2="{height}"/>' for tick in on.ticks]
    for number, (value, bounds, kind) in enumerate(series):
        y, x = 3 + _APART * (number + 0.5), on.x(value)
        span = ""
        if bounds is not None:
            span = f'<line class="span" x1="{on.x(bounds[0])}" x2="{on.x(bounds[1])}" y1="{y}" y2="{y}"/>'
        # A different shape as well as a different colour, for readers who cannot distinguish the colours.
        dot = f'<circle class="dot" cx="{x}" cy="{y}" r="5"/>'
        if kind == "other":
            dot = f'<rect class="dot" x="{x - 4.5:.1f}" y="{y - 4.5}" width="9" height="9"/>'
        drawn.append(f'<g class="interval {kind}">{span}{dot}</g>')
    return _svg("".join(drawn), height, "dots")


def shares(parts: Sequence[tuple[str, int]]) -> Markup:
    """A bar cut into shares; each part is a CSS class and a count."""
    total = sum(number for _, number in parts)
    pieces, start = [], 0.0
    for kind, number in parts:
        width = 100 * number / total if total else 0.0
        pieces.append(f'<rect class="{kind}" x="{start:.2f}" y="0" width="{width:.2f}" height="10"/>')
        start += width
    opening = '<svg class="shares" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
    return Markup(opening + "".join(pieces) + "</svg>")


def curve(points: Sequence[tuple[float, float]]) -> Markup:
    """A line through the points (x, y), labelled with the smallest and largest y and the last x."""
    (left, right), (low, high) = ((min(values), max(values)) for values in zip(*points, strict=True))
    wide, tall, top = WIDTH - 2 * MARGIN, 60, 14
    spread_x, spread_y = (right - left) or 1.0, (high - low) or 1.0
    path = " ".join(
        f"{MARGIN + wide * (x - left) / spread_x:.1f},{top + tall * (high - y) / spread_y:.1f}" for x, y in points
    )
    bottom = top + tall
    ends = (
        f'<text x="{MARGIN}" y="{top - 4}">{high:.3g}</text><text x="{MARGIN}" y="{bottom + 14}">{low:.3g}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{bottom + 14}" text-anchor="end">step {right:.0f}</text>'
    )
    frame = f'<line class="grid" x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{bottom}" y2="{bottom}"/>'
    return _svg(f'{frame}<polyline class="line" points="{path}"/>{ends}', bottom + 20, "curve")


def histogram(counts: Mapping[int, int]) -> Markup:
    """A bar for each whole number, coloured by sign."""
    most, tall, top = max(counts.values(), default=0) or 1, 70, 4
    step = (WIDTH - 2 * MARGIN) / max(len(counts), 1)
    bars = []
    for place, (value, count) in enumerate(counts.items()):
        kind = "positive" if value > 0 else "negative" if value < 0 else "zero"
        height, x = tall * count / most, MARGIN + place * step
        bars.append(
            f'<rect class="{kind}" x="{x + 1:.1f}" y="{top + tall - height:.1f}" width="{step - 2:.1f}" '
            f'height="{height:.1f}"/>'
        )
        if value in (min(counts), 0, max(counts)):
            sign = "−" if value < 0 else "+" if value > 0 else ""
            bars.append(
                f'<text x="{x + step / 2:.1f}" y="{top + tall + 14}" text-anchor="middle">{sign}{abs(value)}</text>'
            )
    return _svg("".join(bars), top + tall + 20, "histogram")


def grid(on: Axis, y: Callable[[float], float], left: int, wide: int) -> list[str]:
    """A line for each tick of a vertical axis of shares, with its number in percent to the left of it.

    Args:
        y: from a share to its vertical position in pixels.
        left, wide: where the lines begin and end, in pixels.
    """
    return [
        f'<line class="grid" x1="{left}" x2="{wide}" y1="{y(tick)}" y2="{y(tick)}"/>'
        f'<text x="{left - 6}" y="{y(tick) + 4}" text-anchor="end">{100 * tick:g}</text>'
        for tick in on.ticks
    ]


def tradeoff(points: Sequence[tuple[float, float, tuple[float, float] | None, str]]) -> Markup:
    """Dots of (cost, share, its interval, kind) on a plane, numbered from 1 in their order; cost from 0 to the right.

    Args:
        points: `kind` is a CSS class: "pair" or "plain".
    """
    wide, tall, left, top = 520, 220, 40, 12
    on = axis([bound for _, share, bounds, _ in points for bound in (share, *(bounds or ()))])
    dearest = max(cost for cost, *_ in points) or 1.0

    def x(cost: float) -> float:
        return round(left + 14 + (wide - left - 40) * cost / dearest, 1)

    def y(share: float) -> float:
        return round(top + tall * (on.high - min(max(share, on.low), on.high)) / (on.high - on.low), 1)

    drawn = grid(on, y, left, wide)
    drawn += [
        f'<text x="{x(cost)}" y="{top + tall + 18}" text-anchor="{anchor}">{words.money(cost)}</text>'
        for cost, anchor in ((0.0, "start"), (dearest, "end"))
    ]
    for number, (cost, share, bounds, kind) in enumerate(points, 1):
        span = ""
        if bounds is not None:
            span = f'<line class="span" x1="{x(cost)}" x2="{x(cost)}" y1="{y(bounds[0])}" y2="{y(bounds[1])}"/>'
        drawn.append(
            f'<g class="interval {kind}">{span}<circle class="dot" cx="{x(cost)}" cy="{y(share)}" r="9"/>'
            f'<text class="mark" x="{x(cost)}" y="{y(share) + 4}" text-anchor="middle">{number}</text></g>'
        )
    return Markup(
        f'<svg class="tradeoff" viewBox="0 0 {wide} {top + tall + 26}" aria-hidden="true">{"".join(drawn)}</svg>'
    )


def trend(points: Sequence[tuple[float, float, Bounds]], *, under: Sequence[str] = (), joined: bool = True) -> Markup:
    """Shares with their intervals, in percent on the vertical axis, against a number on the horizontal one.

    Args:
        points: (x, share, its interval), from left to right.
        under: a second line of text below each x, such as a count; never text from data.
        joined: whether a line connects the dots.
    """
    wide, tall, left, top = 340, 150, 40, 10
    on = axis([bound for _, share, bounds in points for bound in (share, *(bounds or ()))])
    first, last = points[0][0], points[-1][0]

    def x(value: float) -> float:
        share = (value - first) / (last - first) if last > first else 0.5
        return round(left + 16 + share * (wide - left - 34), 1)

    def y(share: float) -> float:
        return round(top + tall * (on.high - min(max(share, on.low), on.high)) / (on.high - on.low), 1)

    drawn = grid(on, y, left, wide)
    if joined:
        path = " ".join(f"{x(place)},{y(share)}" for place, share, _ in points)
        drawn.append(f'<polyline class="line" points="{path}"/>')
    labelled = -math.inf
    for number, (place, share, bounds) in enumerate(points):
        at = x(place)
        span = ""
        if bounds is not None:
            span = f'<line class="span" x1="{at}" x2="{at}" y1="{y(bounds[0])}" y2="{y(bounds[1])}"/>'
        drawn.append(f'<g class="interval pair">{span}<circle class="dot" cx="{at}" cy="{y(share)}" r="4.5"/></g>')
        if at - labelled >= _LABEL or (under and len(points) < _MANY):
            labelled = at
            drawn.append(f'<text x="{at}" y="{top + tall + 17}" text-anchor="middle">{place:,.0f}</text>')
            if under:
                drawn.append(
                    f'<text class="under" x="{at}" y="{top + tall + 31}" text-anchor="middle">{under[number]}</text>'
                )
    height = top + tall + (38 if under else 24)
    return Markup(f'<svg class="trend" viewBox="0 0 {wide} {height}" aria-hidden="true">{"".join(drawn)}</svg>')


def _svg(content: str, height: int, kind: str) -> Markup:
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" aria-hidden="true">'
        f"{content}</svg>"
    )
