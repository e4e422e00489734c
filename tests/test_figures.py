"""Figures as files: both formats, the same bytes each time, and error bars of the right length."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cowest import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def line(axes: "Axes") -> None:
    axes.plot([0, 1], [2, 3], color=figures.BLUE)


def test_the_same_numbers_give_the_same_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("first", "second"):
        figures.save_figure(tmp_path / name, line, height=3.0)
    for suffix in ("png", "svg"):
        assert (tmp_path / f"first.{suffix}").read_bytes() == (tmp_path / f"second.{suffix}").read_bytes()


def test_panels_share_their_scales_and_there_are_as_many_as_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    limits: list[tuple[float, float]] = []

    def draw(panels: "Sequence[Axes]") -> None:
        for number, axes in enumerate(panels, 1):
            axes.plot([0, number], [0, 10 * number])
        limits.extend(axes.get_ylim() for axes in panels)
        assert len(panels[0].get_figure().axes) == len(panels) == 3
        assert [axes.xaxis.get_tick_params()["labelbottom"] for axes in panels] == [False, True, True]

    figures.save_panels(tmp_path / "panels", draw, 3, columns=2, height=3.0)
    assert len(set(limits)) == 1
    assert limits[0][1] >= 30


def test_error_bars_reach_from_the_value_to_the_bounds() -> None:
    bars = figures.error_bars([50.0, 10.0], [(40.0, 65.0), (10.0, 9.0)])
    assert bars == [[10.0, 0.0], [15.0, 0.0]]


def test_a_metric_is_named_in_words() -> None:
    assert figures.metric_label("macro_f1") == "macro f1, %"
