"""The figures of a bench: rows, formats, pairs, models, rounds and calls, each as PNG and SVG."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cowest.errors import InputError
from cowest.figures import BLUE, GREY, ORANGE, error_bars, metric_label, save_figure
from cowest.method_names import COLLABORATE, COLLABORATE_SFT, STRONG_ONLY, WEAK_ONLY
from cowest.records import BenchResults, BenchRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT, _HEIGHT_OF_ROWS = 3.8, 5.5


def require_matplotlib() -> None:
    """Checks that figures can be drawn, before anything is spent.

    Raises:
        InputError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise InputError(
            "cowest bench draws figures, which needs matplotlib. Run: pip install cowest[bench]"
        ) from error


def draw_figures(bench: BenchResults, folder: Path) -> None:
    """Draws what was measured to NAME.png and NAME.svg in `folder`."""
    metric, sweeps = bench.metric or "", {name: _done(points) for name, points in bench.sweeps.items()}
    rows = _done(bench.rows)
    save_figure(folder / "rows", lambda axes: _draw_rows(axes, rows, metric), height=_HEIGHT_OF_ROWS)
    for name, draw in (
        ("formats", lambda axes: _draw_formats(axes, sweeps["formats"], metric)),
        ("pairs", lambda axes: _draw_line(axes, sweeps["pairs"], "preference pairs", metric)),
        ("rounds", lambda axes: _draw_line(axes, sweeps["rounds"], "rounds of alignment", metric)),
        ("models", lambda axes: _draw_models(axes, sweeps["models"], metric)),
        ("calls", lambda axes: _draw_calls(axes, sweeps["calls"], metric)),
    ):
        save_figure(folder / name, draw, height=_HEIGHT)


def _done(points: Sequence[BenchRow]) -> list[BenchRow]:
    return [point for point in points if point.state == "done"]


def _percentages(points: Sequence[BenchRow], metric: str) -> tuple[list[float], list[list[float]]]:
    """Values in percent, and their error bars."""
    estimates = [point.metrics[metric] for point in points]
    values = [100 * estimate.value for estimate in estimates]
    bounds = [estimate.ci95 or (estimate.value, estimate.value) for estimate in estimates]
    return values, error_bars(values, [(100 * low, 100 * high) for low, high in bounds])


def _draw_rows(axes: "Axes", rows: Sequence[BenchRow], metric: str) -> None:
    values, bars = _percentages(rows, metric)
    positions = range(len(rows))
    axes.errorbar(values, positions, xerr=bars, fmt="o", color=BLUE, ecolor=GREY, capsize=2)
    axes.set_yticks(list(positions), [row.name for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel(metric_label(metric))


def _draw_formats(axes: "Axes", points: Sequence[BenchRow], metric: str) -> None:
    names = list(dict.fromkeys(point.format or "" for point in points))
    for shift, is_aligned, colour in ((-0.1, False, GREY), (0.1, True, BLUE)):
        selected = [point for point in points if point.aligned is is_aligned]
        values, bars = _percentages(selected, metric)
        positions = [names.index(point.format or "") + shift for point in selected]
        label = "with alignment" if is_aligned else "without alignment"
        axes.errorbar(positions, values, yerr=bars, fmt="o", color=colour, capsize=2, label=label)
    axes.set_xticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylabel(metric_label(metric))
    axes.legend(frameon=False)


def _draw_line(axes: "Axes", points: Sequence[BenchRow], x: str, metric: str) -> None:
    values, bars = _percentages(points, metric)
    positions = [float((point.round if point.pairs is None else point.pairs) or 0) for point in points]
    axes.errorbar(positions, values, yerr=bars, fmt="o-", color=BLUE, ecolor=GREY, capsize=2)
    axes.set_xticks(positions)
    axes.set_xlabel(x)
    axes.set_ylabel(metric_label(metric))


def _draw_calls(axes: "Axes", points: Sequence[BenchRow], metric: str) -> None:
    """A line for each method of alignment from the pair before it; crosses are single rounds of other sizes."""
    known = [point for point in points if point.num_paid_calls is not None]
    names = list(dict.fromkeys(point.alignment for point in known if point.alignment is not None))
    apart = 0.008 * max((point.num_paid_calls or 0.0 for point in known), default=0.0)  # methods often call as much
    for number, name in enumerate(names):
        for of_queries, style in ((False, "o-"), (True, "x")):
            selected = [
                point
                for point in known
                if (point.queries is not None) == of_queries
                and (point.alignment == name or (point.alignment is None and not of_queries))
            ]
            if selected:
                values, bars = _percentages(selected, metric)
                positions = [(point.num_paid_calls or 0.0) + number * apart for point in selected]
                label = name if not of_queries else None
                axes.errorbar(positions, values, yerr=bars, fmt=style, color=f"C{number}", capsize=2, label=label)
    axes.set_xlabel("paid calls of strong model and judge in feedback and alignment")
    axes.set_ylabel(metric_label(metric))
    if names:
        axes.legend(frameon=False)


def _draw_models(axes: "Axes", points: Sequence[BenchRow], metric: str) -> None:
    names = list(dict.fromkeys(map(_pair_of_models, points)))
    series = (
        (WEAK_ONLY, "weak alone", "s", GREY),
        (STRONG_ONLY, "strong alone", "^", GREY),
        (COLLABORATE_SFT, "together, not aligned", "o", ORANGE),
        (COLLABORATE, "together, aligned", "o", BLUE),
    )
    for number, (row, label, marker, colour) in enumerate(series):
        selected = [point for point in points if point.row == row]
        values, bars = _percentages(selected, metric)
        positions = [names.index(_pair_of_models(point)) + 0.1 * (number - 1.5) for point in selected]
        axes.errorbar(positions, values, yerr=bars, fmt=marker, color=colour, capsize=2, label=label)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel(metric_label(metric))
    axes.legend(frameon=False)


def _pair_of_models(point: BenchRow) -> str:
    return f"weak {point.weak}\nstrong {point.strong}"
