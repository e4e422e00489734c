"""The figures of a bench: rows, formats, pairs, models and rounds, each as PNG and SVG."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cowest.errors import InputError
from cowest.method_names import COLLABORATE, COLLABORATE_SFT, STRONG_ONLY, WEAK_ONLY
from cowest.records import BenchResults, BenchRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#d9762b", "#777777"
_SIZE = (7.0, 3.8)


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
    """Draws whatever was measured into `folder`, NAME.png and NAME.svg."""
    metric, sweeps = bench.metric or "", {name: _done(points) for name, points in bench.sweeps.items()}
    _draw(folder / "rows", lambda axes: _rows(axes, _done(bench.rows), metric), tall=True)
    _draw(folder / "formats", lambda axes: _formats(axes, sweeps["formats"], metric))
    _draw(folder / "pairs", lambda axes: _line(axes, sweeps["pairs"], "preference pairs", metric))
    _draw(folder / "rounds", lambda axes: _line(axes, sweeps["rounds"], "rounds of alignment", metric))
    _draw(folder / "models", lambda axes: _models(axes, sweeps["models"], metric))


def _draw(path: Path, fill: "Callable[[Axes], None]", *, tall: bool = False) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    # A hash instead of a random number, and no date: the same numbers give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "cowest", "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(_SIZE[0], 5.5) if tall else _SIZE, layout="constrained")
        axes = figure.subplots()
        fill(axes)
        figure.savefig(path.with_suffix(".png"), dpi=160)
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def _done(points: Sequence[BenchRow]) -> list[BenchRow]:
    return [point for point in points if point.state == "done"]


def _values(points: Sequence[BenchRow], metric: str) -> tuple[list[float], list[list[float]]]:
    """Values in percent, and how far their intervals reach below and above."""
    found = [point.metrics[metric] for point in points]
    bounds = [each.ci95 or (each.value, each.value) for each in found]
    values = [100 * each.value for each in found]
    below = [max(0.0, 100 * (each.value - low)) for each, (low, _) in zip(found, bounds, strict=True)]
    above = [max(0.0, 100 * (high - each.value)) for each, (_, high) in zip(found, bounds, strict=True)]
    return values, [below, above]


def _label(metric: str) -> str:
    return f"{metric.replace('_', ' ')}, %"


def _rows(axes: "Axes", rows: Sequence[BenchRow], metric: str) -> None:
    values, reach = _values(rows, metric)
    places = range(len(rows))
    axes.errorbar(values, places, xerr=reach, fmt="o", color=_BLUE, ecolor=_GREY, capsize=2)
    axes.set_yticks(list(places), [row.name for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel(_label(metric))


def _formats(axes: "Axes", points: Sequence[BenchRow], metric: str) -> None:
    names = list(dict.fromkeys(point.format or "" for point in points))
    for shift, is_aligned, colour in ((-0.1, False, _GREY), (0.1, True, _BLUE)):
        some = [point for point in points if point.aligned is is_aligned]
        values, reach = _values(some, metric)
        places = [names.index(point.format or "") + shift for point in some]
        label = "with alignment" if is_aligned else "without alignment"
        axes.errorbar(places, values, yerr=reach, fmt="o", color=colour, capsize=2, label=label)
    axes.set_xticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set_ylabel(_label(metric))
    axes.legend(frameon=False)


def _line(axes: "Axes", points: Sequence[BenchRow], x: str, metric: str) -> None:
    values, reach = _values(points, metric)
    places = [float((point.round if point.pairs is None else point.pairs) or 0) for point in points]
    axes.errorbar(places, values, yerr=reach, fmt="o-", color=_BLUE, ecolor=_GREY, capsize=2)
    axes.set_xticks(places)
    axes.set_xlabel(x)
    axes.set_ylabel(_label(metric))


def _models(axes: "Axes", points: Sequence[BenchRow], metric: str) -> None:
    names = list(dict.fromkeys(map(_pair_of_models, points)))
    series = (
        (WEAK_ONLY, "weak alone", "s", _GREY),
        (STRONG_ONLY, "strong alone", "^", _GREY),
        (COLLABORATE_SFT, "together, not aligned", "o", _ORANGE),
        (COLLABORATE, "together, aligned", "o", _BLUE),
    )
    for number, (row, label, marker, colour) in enumerate(series):
        some = [point for point in points if point.row == row]
        values, reach = _values(some, metric)
        places = [names.index(_pair_of_models(point)) + 0.1 * (number - 1.5) for point in some]
        axes.errorbar(places, values, yerr=reach, fmt=marker, color=colour, capsize=2, label=label)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel(_label(metric))
    axes.legend(frameon=False)


def _pair_of_models(point: BenchRow) -> str:
    return f"weak {point.weak}\nstrong {point.strong}"
