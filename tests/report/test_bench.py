from xml.etree import ElementTree

from cowest.records import BenchResults
from cowest.report import bench as benches
from cowest.report.headline import headline
from tests.report.sample import bench
from tests.wording import numbers


def test_rows_give_a_headline_where_the_run_was_not_evaluated() -> None:
    found = bench().as_results()
    assert numbers(headline(found))[:8] == ["77.0%", "72.5", "81.5", "41.5", "36.0", "47.0", "35.5%", "44.0"]
    assert "rlaif_collaborate" not in found.methods  # it failed, so it has no score


def test_charts_hold_every_point_and_say_what_failed() -> None:
    charts = benches.bench_charts(bench())
    assert charts.formats is not None
    assert charts.models is not None
    assert charts.pairs is not None
    assert charts.rounds is not None
    assert charts.unhelpful is not None
    assert set(charts.rows) == {"", "weak_only", "strong_only", "collaborate_sft", "collaborate", "rlwf_collaborate"}
    assert [(line.label, [kind for kind, _, _ in line.values]) for line in charts.formats.lines] == [
        ("chain of thought", ["before", "pair"]),
        ("direct answer", ["before", "pair"]),
    ]
    assert charts.formats.lines[1].values[1] == ("pair", "with alignment", "failed")
    assert [line.label for line in charts.models.lines] == ["weak: own, strong: own", "weak: own, strong: b"]
    assert [len(line.values) for line in charts.models.lines] == [4, 4]
    dots = ElementTree.fromstring(charts.models.lines[0].dots)
    assert len(dots.findall(".//*[@class='dot']")) == 4
    assert charts.pairs.numbers == [
        ("0", "58.0% [53.5, 62.5]"), ("153", "66.0% [61.5, 70.5]"), ("612", "70.0% [65.5, 74.5]"),
    ]  # fmt: skip
    assert [number for number, _ in charts.rounds.numbers] == ["0", "1", "2"]
    assert charts.unhelpful.lines[0].values == [("before", "", "61.0% [55.0, 67.0]")]
    assert charts.failed == {
        "rlaif_collaborate": "feedback gave no pair", "direct_answer, aligned": "no disk", "kto, 1 round": "no vote",
    }  # fmt: skip


def test_methods_are_lines_over_paid_calls() -> None:
    chart = benches.bench_charts(bench()).calls
    assert chart is not None
    assert [(line.name, line.values) for line in chart.lines] == [
        ("own", [("1 round, 1,600 calls", "66.0% [61.5, 70.5]"), ("2 rounds, 2,800 calls", "70.0% [65.5, 74.5]")]),
        ("rft", [("1 round, 1,600 calls", "62.0% [57.5, 66.5]"), ("80 queries, 1,600 calls", "50.0% [45.5, 54.5]")]),
    ]
    drawn = ElementTree.fromstring(chart.plot)
    lines = [
        [tuple(map(float, place.split(","))) for place in line.attrib["points"].split()]
        for line in drawn.iter("polyline")
    ]
    assert [len(line) for line in lines] == [3, 2]  # the single round of 80 queries is on no line
    assert lines[0][0] == lines[1][0]  # both begin before alignment
    assert lines[0] == sorted(lines[0], key=lambda place: (place[0], -place[1]))
    assert [text.text for text in drawn.findall(".//text[@class='mark']")] == ["1", "1", "2", "2"]
    assert len(drawn.findall(".//*[@class='dot']")) == 5
    assert len(drawn.findall(".//*[@class='span']")) == 5


def test_a_bench_that_holds_little() -> None:
    charts = benches.bench_charts(BenchResults(sweeps={"pairs": [], "formats": []}))
    assert (charts.formats, charts.models, charts.pairs, charts.unhelpful) == (None, None, None, None)
