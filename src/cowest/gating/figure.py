"""The trade-off of a gate, accuracy against cost, as PNG and SVG."""

from pathlib import Path
from typing import TYPE_CHECKING

from cowest.gating.table import NAMES, places
from cowest.records import GateResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#d9762b", "#777777"


def draw_gate(result: GateResults, path: Path) -> bool:
    """Draws the curve as PNG and SVG; whether matplotlib is there to do so."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        return False
    # A hash instead of a random number, and no date: the same numbers give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "cowest", "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        axes = figure.subplots()
        _draw_curves(axes, result)
        _draw_arms(axes, result)
        _draw_chosen(axes, result)
        _label(axes, result)
        figure.savefig(path.with_suffix(".png"), dpi=160)
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    return True


def _draw_curves(axes: "Axes", result: GateResults) -> None:
    validation = result.validation
    for points, label, colour, style in (
        (places(validation.curve), "validation, as fitted", _BLUE, "-"),
        (places(validation.cross_validated_curve), "validation, cross-validated", _GREY, "--"),
    ):
        costs, accuracies = zip(*((1000 * cost, 100 * accuracy) for cost, accuracy in points), strict=True)
        axes.plot(costs, accuracies, color=colour, linestyle=style, label=label)


def _draw_arms(axes: "Axes", result: GateResults) -> None:
    """A square for each arm alone, on validation, where every cost is known."""
    alone = {arm: (found.cost_per_query or 0.0, found) for arm, found in result.validation.alone.items()}
    dearest = max(cost for cost, _ in alone.values())
    for arm, (cost, found) in alone.items():
        is_right = cost > dearest / 2
        place = 1000 * cost, 100 * found.accuracy.value
        axes.plot(*place, "s", color=_GREY)
        axes.annotate(
            f"always {NAMES[arm]}",
            place,
            textcoords="offset points",
            xytext=(0, -17) if arm == "both" else (-9 if is_right else 9, -4),
            ha="right" if is_right else "left",
            color=_GREY,
        )


def _draw_chosen(axes: "Axes", result: GateResults) -> None:
    chosen, test = result.validation.gate, result.test
    axes.plot(
        1000 * (chosen.cost_per_query or 0.0), 100 * chosen.accuracy.value, "o", color=_BLUE, label="chosen, validation"
    )
    if test is None:
        return
    for found, marker, label in ((test.gate, "D", "chosen, test"), (test.alone["both"], "^", "both, test")):
        if found.cost_per_query is None or found.accuracy.ci95 is None:
            continue
        value, (low, high) = found.accuracy.value, found.accuracy.ci95
        reach = [[max(0.0, 100 * (value - low))], [max(0.0, 100 * (high - value))]]
        place = 1000 * found.cost_per_query, 100 * value
        axes.errorbar(*place, yerr=reach, fmt=marker, color=_ORANGE, capsize=2, label=label)


def _label(axes: "Axes", result: GateResults) -> None:
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel(("USD" if result.cost_unit == "usd" else "tokens of the strong model") + " per 1,000 queries")
    axes.set_ylabel(f"{result.metric.replace('_', ' ')}, %")
    axes.legend(frameon=False, loc="center right")
