"""Results in Python: a table as their text, HTML in a notebook, numbers for pandas, and a short repr."""

import sys
from xml.etree import ElementTree

import pytest

from cowest.errors import InputError
from cowest.records.shown import ShownDocument
from tests.auditing.sample import audit
from tests.report.sample import EVIL, bench, gate, results

SHOWN = {"results": results(), "gate": gate(), "bench": bench(), "audit": audit()}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("results", "| collaborate | 77.0% [72.5, 81.5] | 80.0% [75.5, 84.0] | 800 | 68,000 | $0.0016 |"),
        ("results", "| collaborate − strong_only | +41.5 | [36.0, 47.0] | < 0.001 |"),
        ("gate", "| test: gate | 85.0% [80.0, 90.0] | $2.20 | 50.0% | 0.0% | 50.0% |"),
        ("audit", "| query length: 12 to 80 | 200 | – | 60.0% | 50.0% | −10.0 | [−18.0, −2.0] | 0.300 |"),
        ("bench", "| rlaif_collaborate | failed | failed | – | – | – | – | all |"),
    ],
)
def test_the_text_is_the_table(name: str, row: str) -> None:
    lines = str(SHOWN[name]).splitlines()
    assert any(" ".join(line.split()).startswith(row) for line in lines)
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("shown", SHOWN.values(), ids=SHOWN)
def test_a_notebook_shows_the_same_table(shown: ShownDocument) -> None:
    page = ElementTree.fromstring(f"<div>{shown._repr_html_()}</div>")
    cells = ["".join(cell.itertext()) for cell in page.iter("td")]
    assert cells
    text = " ".join(str(shown).split())
    for cell in cells:
        assert " ".join(cell.split()) in text


def test_what_a_file_holds_is_never_read_as_html() -> None:
    found = results(note=EVIL, methods={EVIL: results().methods["collaborate"]})
    assert "<script" not in found._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "results",
            "EvaluationResults(task='ifqa', metric='exact_match', num_examples=400, methods={"
            "'weak_only': '33.0% [28.5, 37.5]', 'strong_only': '35.5% [31.0, 40.0]', "
            "'collaborate_sft': '58.3% [53.8, 62.8]', 'collaborate': '77.0% [72.5, 81.5]'})",
        ),
        (
            "gate",
            "GateResults(task='ifqa', metric='exact_match', policy='both below 0.5000, draft from 0.5000 on', "
            "met=True, validation='90.0% [85.0, 95.0]', test='85.0% [80.0, 90.0]')",
        ),
    ],
)
def test_a_repr_is_one_line_of_what_matters(name: str, wanted: str) -> None:
    assert repr(SHOWN[name]) == wanted


def test_the_repr_of_a_bench_has_its_rows_and_the_outcomes_of_the_claims() -> None:
    found = repr(bench())
    assert "'rlaif_collaborate': 'no score'" in found
    assert "claims={'collaboration_beats_each_alone': 'reproduced'" in found
    assert "sweeps" not in found


def test_numbers_for_pandas() -> None:
    frame = results().to_pandas().set_index("method")
    assert list(frame.index) == list(results().methods)
    row = frame.loc["collaborate"]
    assert (row["exact_match"], row["exact_match_low"], row["f1"]) == (0.77, 0.725, 0.8)
    assert (row["calls"], row["prompt_tokens"], row["cost_usd_per_query"]) == (800, 48000, 0.64 / 400)
    answered = gate().to_pandas().set_index(["split", "who_answers"])
    assert answered.loc[("test", "gate"), "cost_per_query"] == 0.0022
    assert answered.loc[("validation", "both"), "share_both"] == 1
    rows = bench().to_pandas()
    assert list(rows["name"])[:4] == ["weak_only", "strong_only", "collaborate_sft", "collaborate"]
    assert set(rows["sweep"].dropna()) == set(bench().sweeps)


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match=r"cowest\[pandas\]"):
        results().to_pandas()
