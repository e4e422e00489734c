"""Figures as files, drawn with matplotlib: the same numbers give the same bytes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#1f5fa8", "#d9762b", "#777777"
_WIDTH = 7.0


def save_figure(path: Path, draw: "Callable[[Axes], None]", *, height: float) -> None:
    """Draws a figure and saves it as PATH.png and PATH.svg.

    Args:
        height: in inches.

    Raises:
        ImportError: matplotlib is not installed.
    """
    save_panels(path, lambda panels: draw(panels[0]), 1, columns=1, height=height)


def save_panels(
    path: Path, draw: "Callable[[Sequence[Axes]], None]", count: int, *, columns: int, height: float
) -> None:
    """Draws a figure of several panels, row by row on the same scales, and saves it as PATH.png and PATH.svg.

    Args:
        count: of the panels.
        height: in inches.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib
    from matplotlib.figure import Figure

    # A fixed hash in place of random ids, and no date, so that the files do not change from one call to the next.
    with matplotlib.rc_context({"svg.hashsalt": "cowest", "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        grid = figure.subplots(-(-count // columns), columns, sharex=True, sharey=True, squeeze=False)
        panels = list(grid.flat)
        for unused in panels[count:]:
            unused.remove()
        for lowest in panels[max(0, count - columns) : count]:
            lowest.tick_params(labelbottom=True)
        draw(panels[:count])
        figure.savefig(path.with_suffix(".png"), dpi=160)
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def error_bars(values: list[float], bounds: list[tuple[float, float]]) -> list[list[float]]:
    """How far each interval reaches below and above its value, as matplotlib takes it."""
    below = [max(0.0, value - low) for value, (low, _) in zip(values, bounds, strict=True)]
    above = [max(0.0, high - value) for value, (_, high) in zip(values, bounds, strict=True)]
    return [below, above]


def metric_label(metric: str) -> str:
    """The label of an axis that shows a metric in percent."""
    return f"{metric.replace('_', ' ')}, %"
