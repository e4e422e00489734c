"""Tables in narrow terminals: no name and no interval is cut, and what is left out is named."""

import io
import itertools
import re
from collections.abc import Iterator

import pytest
from rich.cells import cell_len
from rich.console import Console

from cowest.bench.table import _tables
from cowest.records import Estimate, EvaluationResults, FeedbackSummary, MethodResult, Preparation
from cowest.report.drawing import print_line
from cowest.report.fitting import FittingTable, text_table
from cowest.report.gate import draw_gate
from cowest.report.table import comparisons_table, feedback_table, methods_table
from tests.report import sample

NAMES = ("weak_only_base", "strong_only_direct", "collaborate_round_12", "rlwf_collaborate")


def _methods() -> EvaluationResults:
    row = sample.results().methods["collaborate"].model_copy(update={"preparation": Preparation(calls={"strong": 99})})
    return sample.results(methods={**sample.results().methods, **dict.fromkeys(NAMES, row)})


def _tables_by_name() -> Iterator[tuple[str, FittingTable]]:
    found = _methods()
    yield "methods", methods_table(found)
    yield "comparisons", comparisons_table(found)
    yield "feedback", feedback_table({f"round {n}": FeedbackSummary(round=n, num_examples=2000) for n in (1, 2)})
    yield "gate", _gate_table()
    for title, columns, rows in _tables(sample.bench()):
        yield title, text_table(title, columns, [(*cells, "") for cells in rows], ("calls", "preparation", "p", "note"))


def _gate_table() -> FittingTable:
    (table,) = (part for part in draw_gate(sample.gate()).parts if isinstance(part, FittingTable))
    return table


def _printed(table: FittingTable, width: int) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=True, color_system=None, highlight=False).print(table)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_line_fits_and_no_word_of_a_name_is_cut(width: int) -> None:
    for title, table in _tables_by_name():
        lines = _printed(table, width)
        assert max(map(cell_len, lines)) <= width, title
        words = {word for line in lines for word in re.split(r"[\s│]+", line)}
        for name, *_ in table.rows:
            assert {*name.split()} <= words, (title, name)


def test_at_80_columns_a_gate_keeps_its_accuracies_on_one_line_each() -> None:
    lines = [line for line in _printed(_gate_table(), 80) if line.startswith("│")]
    assert len(lines) == 1 + len(_gate_table().rows)
    assert any("validation: gate, cross-validated │ 88.0% [83.0, 93.0]" in line for line in lines)


def test_a_comparison_stays_on_one_line_where_another_cell_can_go_over_two() -> None:
    unclear = sample.comparison("strong_only_direct", 0.01, (-0.05, 0.07), 0.8).model_copy(
        update={"a": "collaborate_sft"}
    )
    lines = _printed(comparisons_table(sample.results(comparisons=[unclear])), 80)
    assert any("collaborate_sft − strong_only_direct " in line for line in lines)
    assert {"no difference", "shown"} <= {line.split("│")[-2].strip() for line in lines if line.startswith("│")}


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (60, "calls, tokens, cost/query, p50, p95, no answer, failed, preparation"),
        (80, "calls, tokens, p50, p95, failed, preparation"),
        (120, "calls, tokens, preparation"),
        (300, None),
    ],
)
def test_calls_tokens_and_times_go_first_and_are_named(width: int, left_out: str | None) -> None:
    text = "\n".join(_printed(methods_table(_methods()), width))
    said = re.search(r"Not shown at a width of \d+: (.*?)\. `\| cat`", " ".join(text.split()))
    assert (said[1] if said else None) == left_out
    assert ("77.0% [72.5, 81.5]" in text) == (width > 80)
    assert "[72.5, 81.5]" in text  # never broken in two


def test_every_cell_is_on_the_page_wherever_its_column_is_shown() -> None:
    table = text_table("", ["row", "note", "n"], [("a b", "one two three four five six", "7", ""), ("c", "x", "8", "")])
    for width in range(20, 60):
        words = " ".join(re.split(r"[\s│]+", "\n".join(_printed(table, width))))
        for word in itertools.chain(*(cell.split() for *cells, _ in table.rows for cell in cells)):
            assert f" {word} " in words, width


def test_a_name_wider_than_the_terminal_goes_over_lines_whole() -> None:
    name = "collaborate_round_12_with_a_very_long_name"
    found = sample.results(methods={name: MethodResult(metrics={"exact_match": Estimate(value=0.5)})}, comparisons=[])
    cells = (line.split("│")[1].strip() for line in _printed(methods_table(found), 30) if line.startswith("│"))
    assert "".join(cells) == f"method{name}"


def test_a_file_or_a_pipe_gets_all_columns_unwrapped() -> None:
    stream = io.StringIO()
    Console(file=stream, width=1000, force_terminal=False).print(methods_table(_methods()))
    assert "Not shown" not in stream.getvalue()
    assert "| collaborate_round_12 " in stream.getvalue()


def test_no_interval_of_a_sentence_is_broken_in_two() -> None:
    text = "Together they reach 98.7% accuracy [96.6, 99.5]: 97.6 points [95.8, 99.0] more."
    for width in range(20, 90):
        stream = io.StringIO()
        console = Console(file=stream, width=width, force_terminal=True, color_system=None, highlight=False)
        print_line(console, text)
        lines = stream.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        assert " ".join(lines) == text
        assert all(line.count("[") == line.count("]") for line in lines), width
