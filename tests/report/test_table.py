import io
from pathlib import Path

import pytest

from cowest.errors import InputError
from cowest.report import collect, print_results, print_run
from cowest.report.records import LAB_NOTE
from tests.report.sample import EVIL, results


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _plain(**changes: object) -> str:
    stream = io.StringIO()
    print_results(results() | changes, stream)
    return stream.getvalue()


def test_plain_output_is_markdown_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = _plain()
    assert "\x1b" not in text
    row = next(line for line in text.splitlines() if line.startswith("| collaborate "))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "collaborate", "77.0% [72.5, 81.5]", "80.0% [75.5, 84.0]", "800", "68,000", "$0.0016", "0.84 s", "2.3 s", "2",
    ]  # fmt: skip
    row = next(line for line in text.splitlines() if line.startswith("| collaborate − strong_only"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:] == ["exact_match", "+41.5", "[36.0, 47.0]", "< 0.001", "44.5%", "3.0%", "better"]


def test_what_a_row_took_once_stands_apart_and_is_never_nothing() -> None:
    assert "preparation" not in _plain()
    methods = results()["methods"]
    methods["collaborate"]["preparation"] = {"calls": {"strong": 2121, "judge": 9}, "cost_usd": 3.1415}
    methods["weak_only"]["preparation"] = {"calls": {"strong": 40}, "cost_usd": None}
    lines = [line.strip("| ").split("|") for line in _plain(methods=methods).splitlines() if line.startswith("| ")]
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
    row = results()["methods"]["weak_only"]
    assert "| [bold]mine[/bold] |" in _plain(methods={"[bold]mine[/bold]": row}, comparisons=[])


def test_notes_come_first() -> None:
    assert _plain(note="A note.").startswith("A note.\n")
    assert _plain(task="formulary").startswith(LAB_NOTE)


def test_missing_numbers_are_dashes() -> None:
    text = _plain(methods={"mine": {"metrics": {"exact_match": {"value": 0.5}}}}, comparisons=[])
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


def test_results_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match=r"results\.json is not what"):
        print_results({"methods": 3}, io.StringIO())
