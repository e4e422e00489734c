import io
import re
from pathlib import Path
from typing import Any

import pytest

from cowest.records import JudgeAgreement, NullControl, PairLabels
from cowest.report import collect, print_run
from cowest.report.feedback import calibration_plot, diagnostic_sentences, null_control_chart, one_sided_sentence
from cowest.report.page import render
from tests.report.sample import agreement, changed, control, summary
from tests.wording import numbers


def said(**parts: Any) -> list[str]:
    return list(diagnostic_sentences(summary(**parts)))


def test_drafts_above_noise() -> None:
    (sentence,) = said(null_control=control(0.16))
    assert numbers(sentence) == ["34.0%", "29.0", "39.0", "12.0%", "8.0", "17.0", "200", "+22.0", "16.0", "28.0"]
    assert re.search("null control.*drafts.*strong model alone.*second sample.*difference", sentence)
    assert "cannot be told from chance" not in sentence


@pytest.mark.parametrize("low", [-0.02, 0.0])
def test_a_positive_rate_that_noise_could_give_is_said_plainly(low: float) -> None:
    (sentence,) = said(null_control=control(low))
    assert sentence.endswith("cannot be told from chance")


def test_a_control_without_an_example() -> None:
    (sentence,) = said(null_control=NullControl(num_examples=0, num_left_out=5))
    assert "nothing to say" in sentence


@pytest.mark.parametrize(
    ("concordance", "length", "figures", "words"),
    [
        (0.931, 0.124, ["93.1%", "+0.12", "1,200"], "judge: .*accuracy.*correlation.*length"),
        (None, None, ["1,200"], "judge: accuracy is the same for all outputs.*cannot be compared"),
    ],
)
def test_agreement(concordance: float | None, length: float | None, figures: list[str], words: str) -> None:
    compared = JudgeAgreement(metric="accuracy", num_outputs=1200, concordance=concordance, length_correlation=length)
    (sentence,) = said(judge_agreement=compared)
    assert numbers(sentence) == figures
    assert re.match(words, sentence)


def test_the_positive_rate_is_drawn_beside_that_of_noise() -> None:
    chart = null_control_chart(summary(null_control=control(0.1)))
    assert chart is not None
    assert [rate for _, rate, _ in chart.lines] == ["34.0% [29.0, 39.0]", "12.0% [8.0, 17.0]"]
    places = [float(str(dot).split('cx="')[1].split('"')[0]) for _, _, dot in chart.lines]
    assert places[0] > places[1]
    assert null_control_chart(summary()) is None


def test_calibration_is_drawn_by_verdict_with_counts() -> None:
    plot = calibration_plot(summary(judge_agreement=agreement()))
    assert plot is not None
    assert plot.numbers[0] == ("1", "1,204", "4.0% [1.0, 6.0]")
    assert ">1.2k</text>" in plot.plot
    assert plot.plot.count("<circle") == 3
    without = changed(agreement(), calibration=[])
    assert calibration_plot(summary(judge_agreement=without)) is None


def test_labels_in_pairs() -> None:
    (sentence,) = said(pair_labels=PairLabels(chosen={"Unsafe": 1204, "Safe": 2}, rejected={}))
    assert sentence == "labels in pairs: preferred drafts Unsafe 1,204, Safe 2; rejected drafts none"


@pytest.mark.parametrize(
    ("chosen", "rejected", "figures"),
    [
        ({"Unsafe": 18, "Safe": 2}, {"Safe": 18, "Unsafe": 2}, ["90.0%", "10.0%"]),
        ({"Safe": 2, "Unsafe": 8}, {"Safe": 4, "Unsafe": 1}, ["80.0%", "20.0%"]),
        ({"Unsafe": 10}, {}, ["100.0%", "0.0%"]),  # the rejected drafts name no label
    ],
)
def test_pairs_that_prefer_one_label(chosen: dict[str, int], rejected: dict[str, int], figures: list[str]) -> None:
    sentence = one_sided_sentence(PairLabels(chosen=chosen, rejected=rejected))
    assert sentence is not None
    assert '"Unsafe"' in sentence
    assert numbers(sentence) == figures


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        ({"Unsafe": 9}, {"Safe": 9}),  # too few to say
        ({"Unsafe": 15, "Safe": 5}, {"Safe": 20}),
        ({"Unsafe": 18, "Safe": 2}, {"Safe": 15, "Unsafe": 5}),  # other things differ too
        ({}, {"Safe": 20}),
    ],
)
def test_pairs_that_do_not(chosen: dict[str, int], rejected: dict[str, int]) -> None:
    assert one_sided_sentence(PairLabels(chosen=chosen, rejected=rejected)) is None


def test_nothing_is_said_of_checks_that_were_not_made() -> None:
    assert said() == said(judge_agreement=None) == []


def test_show_and_page_say_it(tmp_path: Path) -> None:
    summary(null_control=control(-0.1)).write(tmp_path / "round-1/feedback/summary.json")
    stream = io.StringIO()
    print_run(collect(tmp_path), stream)
    assert "round 1, null control: drafts beat" in stream.getvalue()
    assert "cannot be told from chance.\n" in stream.getvalue()
    assert "null control: drafts beat" in render(tmp_path)
