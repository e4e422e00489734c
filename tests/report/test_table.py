import io
from pathlib import Path

import pytest

from cowest import runs
from cowest.records import Estimate, EvaluationResults, MethodResult, Preparation
from cowest.report import collect, print_results, print_run
from cowest.report.notes import LAB_NOTE
from cowest.report.table import comparisons_table
from tests.report.sample import EVIL, results, with_method


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _plain(found: EvaluationResults | None = None) -> str:
    stream = io.StringIO()
    print_results(found or results(), stream)
    return stream.getvalue()


def test_plain_output_is_markdown_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = _plain()
    assert "\x1b" not in text
    row = next(line for line in text.splitlines() if line.startswith("| collaborate "))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        *("collaborate", "77.0% [72.5, 81.5]", "80.0% [75.5, 84.0]", "800", "68,000", "$0.0016", "0.84 s", "2.3 s"),
        *("0.0%", "2"),
    ]  # fmt: skip
    row = next(line for line in text.splitlines() if line.startswith("| collaborate − strong_only"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:] == ["+41.5", "[36.0, 47.0]", "< 0.001", "44.5%", "3.0%", "better"]
    assert "differences in points of exact_match" in text


def test_the_metric_is_a_column_only_where_comparisons_differ_in_it() -> None:
    found = results()
    other = found.comparisons[0].model_copy(update={"metric": "f1"})
    table = comparisons_table(found.model_copy(update={"comparisons": [*found.comparisons, other]}))
    assert [row[1] for row in table.rows] == ["exact_match"] * 3 + ["f1"]
    assert "metric" not in comparisons_table(found).columns


def test_in_a_notebook_it_is_still_written_to_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = _plain()
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert _plain() == elsewhere


def test_the_share_of_replies_without_an_answer_stands_beside_every_row_and_unequal_shares_are_said() -> None:
    found = with_method("strong_only", num_unparsed=90)
    text = _plain(found)
    row = next(line for line in text.splitlines() if line.startswith("| strong_only "))
    assert [cell.strip() for cell in row.strip("|").split("|")][-2] == "22.5%"
    (note,) = [line for line in text.splitlines() if "hold no answer" in line]
    assert "0.0% against 22.5%" in note
    assert "hold no answer" not in _plain(with_method("strong_only", num_unparsed=20))  # 5 points: not more


def test_what_a_row_took_once_stands_apart_and_is_never_nothing() -> None:
    assert "preparation" not in _plain()
    prepared = Preparation(calls={"strong": 2121, "judge": 9}, cost_usd=3.1415)
    found = with_method("collaborate", preparation=prepared)
    found = with_method("weak_only", found, preparation=Preparation(calls={"strong": 40}))
    lines = [line.strip("| ").split("|") for line in _plain(found).splitlines() if line.startswith("| ")]
    last = {cells[0].strip(): cells[-1].strip() for cells in lines}
    assert last["method"] == "preparation"
    assert last["collaborate"] == "$3.14 (2,130 calls)"
    assert last["weak_only"] == "unknown (40 calls)"
    assert last["strong_only"] == "–"
    row = next(cells for cells in lines if cells[0].strip() == "collaborate")
    assert row[5].strip() == "$0.0016"  # the cost of a query is without it


def test_the_headline_is_one_line() -> None:
    assert "\nTogether the two models reach" in "\n" + _plain()
    assert "(strong model alone: $0.0010).\n" in _plain()


def test_colours_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    print_results(results(), stream)
    assert "\x1b[" in stream.getvalue()
    assert "╭" in stream.getvalue()


def test_names_are_not_read_as_markup() -> None:
    row = results().methods["weak_only"]
    assert "| [bold]mine[/bold] |" in _plain(results(methods={"[bold]mine[/bold]": row}, comparisons=[]))


def test_notes_come_first() -> None:
    assert _plain(results(note="A note.")).startswith("A note.\n")
    assert _plain(results(task="formulary")).startswith(LAB_NOTE)


def test_missing_numbers_are_dashes() -> None:
    mine = MethodResult(metrics={"exact_match": Estimate(value=0.5)})
    text = _plain(results(methods={"mine": mine}, comparisons=[]))
    assert "50.0%" in text
    assert "unknown" in text


def test_a_run(run_folder: Path) -> None:
    stream = io.StringIO()
    print_run(collect(run_folder), stream)
    text = stream.getvalue()
    for words in ("✓ done", "feedback, round 2", "1,721", "$3.14", f"round 1, q9: no reply {EVIL}", "+41.5"):
        assert words in text


def test_an_empty_run(tmp_path: Path) -> None:
    stream = io.StringIO()
    print_run(collect(tmp_path), stream)
    assert "not yet" in stream.getvalue()


def test_a_run_with_a_broken_file_names_it_and_shows_the_rest(run_folder: Path) -> None:
    runs.write_json(run_folder / "evaluate/results.json", {"methods": 3})
    stream = io.StringIO()
    print_run(collect(run_folder), stream)
    assert "evaluate/results.json' is not what cowest wrote there: methods" in stream.getvalue()
    assert "1,721" in stream.getvalue()
