"""The trade-off of a gate, accuracy against cost, as PNG and SVG."""

from pathlib import Path
from typing import TYPE_CHECKING

from cowest.figures import BLUE, GREY, ORANGE, error_bars, metric_label, save_figure
from cowest.gating.table import NAMES, curve_points
from cowest.records import GateResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 4.2


def draw_gate(result: GateResults, path: Path) -> bool:
    """Draws the curve to PATH.png and PATH.svg; returns False where matplotlib is not installed."""

    def draw(axes: "Axes") -> None:
        _draw_curves(axes, result)
        _draw_arms(axes, result)
        _draw_chosen(axes, result)
        _label_axes(axes, result)

    try:
        save_figure(path, draw, height=_HEIGHT)
    except ImportError:
        return False
    return True


def _draw_curves(axes: "Axes", result: GateResults) -> None:
    validation = result.validation
    for points, label, colour, style in (
        (curve_points(validation.curve), "validation, as fitted", BLUE, "-"),
        (curve_points(validation.cross_validated_curve), "validation, cross-validated", GREY, "--"),
    ):
        costs, accuracies = zip(*((1000 * cost, 100 * accuracy) for cost, accuracy in points), strict=True)
        axes.plot(costs, accuracies, color=colour, linestyle=style, label=label)


def _draw_arms(axes: "Axes", result: GateResults) -> None:
    """Draws a square for each arm alone, on validation, where every cost is known."""
    costs = {arm: answered.cost_per_query or 0.0 for arm, answered in result.validation.alone.items()}
    for arm, answered in result.validation.alone.items():
        is_right = costs[arm] > max(costs.values()) / 2
        point = 1000 * costs[arm], 100 * answered.accuracy.value
        axes.plot(*point, "s", color=GREY)
        axes.annotate(
            f"always {NAMES[arm]}",
            point,
            textcoords="offset points",
            xytext=(0, -17) if arm == "both" else (-9 if is_right else 9, -4),
            ha="right" if is_right else "left",
            color=GREY,
        )


def _draw_chosen(axes: "Axes", result: GateResults) -> None:
    chosen, test = result.validation.gate, result.test
    axes.plot(
        1000 * (chosen.cost_per_query or 0.0), 100 * chosen.accuracy.value, "o", color=BLUE, label="chosen, validation"
    )
    if test is None:
        return
    for answered, marker, label in ((test.gate, "D", "chosen, test"), (test.alone["both"], "^", "both, test")):
        if answered.cost_per_query is None or answered.accuracy.ci95 is None:
            continue
        value, (low, high) = 100 * answered.accuracy.value, answered.accuracy.ci95
        bars = error_bars([value], [(100 * low, 100 * high)])
        axes.errorbar(
            1000 * answered.cost_per_query, value, yerr=bars, fmt=marker, color=ORANGE, capsize=2, label=label
        )


def _label_axes(axes: "Axes", result: GateResults) -> None:
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel(("USD" if result.cost_unit == "usd" else "tokens of the strong model") + " per 1,000 queries")
    axes.set_ylabel(metric_label(result.metric))
    axes.legend(frameon=False, loc="center right")
