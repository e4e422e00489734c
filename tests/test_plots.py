from xml.etree import ElementTree

import pytest

from cowest import plots


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


def test_a_curve_stands_between_its_extremes() -> None:
    root = ElementTree.fromstring(plots.curve([(1, 0.7), (2, 0.9), (11, 0.5)]))
    line = root.find("polyline")
    assert line is not None
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert [x for x, _ in points] == [plots.MARGIN, 32.2, plots.WIDTH - plots.MARGIN]
    assert points[1][1] < points[0][1] < points[2][1]  # downwards is larger in SVG
    assert [text.text for text in root.iter("text")] == ["0.9", "0.5", "step 11"]
    ElementTree.fromstring(plots.curve([(1, 0.5), (2, 0.5)]))


def test_bars_have_the_height_of_their_counts() -> None:
    root = ElementTree.fromstring(plots.histogram({-1: 5, 0: 10, 1: 0, 2: 20}))
    bars = [(bar.attrib["class"], float(bar.attrib["height"])) for bar in root.iter("rect")]
    assert bars == [("negative", 17.5), ("zero", 35.0), ("positive", 0.0), ("positive", 70.0)]
    assert [text.text for text in root.iter("text")] == ["−1", "0", "+2"]


def test_dearer_stands_to_the_right_and_better_above() -> None:
    root = ElementTree.fromstring(
        plots.tradeoff([(0.0, 0.3, None, "plain"), (0.002, 0.8, (0.7, 0.9), "pair"), (0.001, 0.5, None, "plain")])
    )
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in root.iter("circle")]
    assert dots[0][0] < dots[2][0] < dots[1][0]
    assert dots[1][1] < dots[2][1] < dots[0][1]
    assert len(root.findall(".//line[@class='span']")) == 1


def test_dots_stand_below_one_another_with_a_shape_for_each_kind() -> None:
    on = plots.axis([0.0, 1.0])
    root = ElementTree.fromstring(plots.dots([(0.2, (0.1, 0.3), "other"), (0.8, None, "pair")], on))
    square, circle = root.find(".//rect"), root.find(".//circle")
    assert square is not None
    assert circle is not None
    assert float(square.attrib["x"]) + 4.5 == pytest.approx(on.x(0.2), abs=0.1)
    assert float(circle.attrib["cx"]) == on.x(0.8)
    assert float(square.attrib["y"]) + 9 < float(circle.attrib["cy"])
    assert len(root.findall(".//line[@class='span']")) == 1


def test_a_trend_goes_to_the_right_and_up() -> None:
    root = ElementTree.fromstring(
        plots.trend([(0, 0.4, (0.3, 0.5)), (10, 0.6, None), (610, 0.8, None)], under=["5", "1.2k", "7"])
    )
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in root.iter("circle")]
    assert dots == sorted(dots, key=lambda dot: (dot[0], -dot[1]))
    assert [text.text for text in root.iter("text") if text.attrib.get("class") == "under"] == ["5", "1.2k", "7"]
    assert root.find("polyline") is not None
    bare = ElementTree.fromstring(plots.trend([(0, 0.4, None), (1, 0.6, None), (610, 0.8, None)], joined=False))
    assert bare.find("polyline") is None
    labels = [text.text for text in bare.iter("text") if text.attrib["text-anchor"] == "middle"]
    assert labels == ["0", "610"]  # the 1 would stand on the 0
    ElementTree.fromstring(plots.trend([(3, 0.5, None)]))
