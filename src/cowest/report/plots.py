"""Inline SVG: dots with intervals on a shared axis, and a bar of shares. Numbers only, no text from data."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT, MARGIN = 210, 30, 14


@dataclass(frozen=True)
class Axis:
    """A range of values and its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def x(self, value: float) -> float:
        """Where `value` stands, in pixels; values outside stand at the edge."""
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
        kind: a class name for the colour, chosen by us: "plain", "pair", "better", "worse" or "unclear".
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


def shares(parts: Sequence[tuple[str, int]]) -> Markup:
    """A bar cut into shares; each part is a class name of ours and a count."""
    total = sum(number for _, number in parts)
    pieces, start = [], 0.0
    for kind, number in parts:
        width = 100 * number / total if total else 0.0
        pieces.append(f'<rect class="{kind}" x="{start:.2f}" y="0" width="{width:.2f}" height="10"/>')
        start += width
    opening = '<svg class="shares" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
    return Markup(opening + "".join(pieces) + "</svg>")


def _svg(content: str, height: int, kind: str) -> Markup:
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" aria-hidden="true">'
        f"{content}</svg>"
    )
