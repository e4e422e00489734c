from xml.etree import ElementTree

import pytest

from cowest.report import plots


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([0.285, 0.815], 0.2, 1.0),
        ([0.0, 1.0], 0.0, 1.0),
        ([0.5], 0.45, 0.55),
        ([0.0, -0.02, 0.06], -0.02, 0.06),
        ([], 0.0, 1.0),
        ([float("nan"), 0.5], 0.45, 0.55),
        ([0.0, 45.0], 0.0, 45.0),
    ],
)
def test_the_axis_holds_all_values_and_has_few_ticks(values: list[float], low: float, high: float) -> None:
    axis = plots.axis(values)
    assert axis.low <= low
    assert axis.high >= high
    assert 2 <= len(axis.ticks) <= 8
    assert axis.x(axis.low) == plots.MARGIN
    assert axis.x(axis.high) == plots.WIDTH - plots.MARGIN


def test_dot_and_interval_stand_where_the_axis_says() -> None:
    axis = plots.axis([0.0, 1.0])
    root = ElementTree.fromstring(plots.interval(0.5, (0.25, 0.75), axis, kind="pair"))
    dot = root.find("circle")
    span = root.find("line[@class='span']")
    assert dot is not None
    assert span is not None
    assert float(dot.attrib["cx"]) == axis.x(0.5) == plots.WIDTH / 2
    assert (float(span.attrib["x1"]), float(span.attrib["x2"])) == (axis.x(0.25), axis.x(0.75))
    assert ElementTree.fromstring(plots.interval(0.5, None, axis)).find("line[@class='span']") is None


def test_values_outside_stand_at_the_edge() -> None:
    axis = plots.axis([0.4, 0.6])
    assert axis.x(7.0) == plots.WIDTH - plots.MARGIN


def test_shares_fill_the_bar() -> None:
    root = ElementTree.fromstring(plots.shares([("positive", 1), ("negative", 3), ("unscored", 0)]))
    assert [float(rect.attrib["width"]) for rect in root] == [25.0, 75.0, 0.0]
    assert [float(rect.attrib["x"]) for rect in root] == [0.0, 25.0, 100.0]
    assert all(float(rect.attrib["width"]) == 0 for rect in ElementTree.fromstring(plots.shares([("positive", 0)])))
