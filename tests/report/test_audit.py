"""An audit on the terminal, in `cowest show` and on the page of its run."""

import io
import re
from html import escape
from pathlib import Path

import pytest
from rich.cells import cell_len

from cowest.auditing import AUDIT
from cowest.report import collect, print_audit, print_run, write_page
from cowest.report.audit import sentences, summary
from tests.auditing.sample import EVIL, audit
from tests.wording import numbers


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_it_fits_80_columns_and_shows_helps_and_harms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    print_audit(audit(), stream)
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in stream.getvalue().splitlines()]
    assert max(map(cell_len, lines)) <= 80
    headings = next(line for line in lines if line.startswith("│ slice"))
    assert headings.replace("│", " ").split() == ["slice", "points", "95%", "helps", "harms", "verdict"]
    row = next(line for line in lines if line.startswith("│") and EVIL in line)
    assert numbers(row.replace(EVIL, "")) == ["−20.0", "−28.0", "−12.0", "10.0%", "30.0%"]
    assert "worse" in row


def test_plain_output_holds_every_number() -> None:
    stream = io.StringIO()
    print_audit(audit(), stream)
    text = stream.getvalue()
    assert "exact match of 600 examples in 150 groups" in text
    assert "+5.0 points [−3.0, 13.0] in all. 6 findings:" in text
    for words in (
        f"where topic is {EVIL}: −20.0 points [−28.0, −12.0], 200 examples",
        "the pair gives the draft's answer in 31.0% [26.0, 36.0] of 150",
        "too sure of 295 of 590 drafts: its mean confidence is 85.0%, and 70.0% are right",
        "Expected calibration error: 30.0 points; confidences that fit would show about 2.0",
        "Not sliced: author: 21 values with fewer than 30 examples.",
        "he/she, his/her",
        "1 example with a failed call are left out",
    ):
        assert words in text, words
    rows = [line for line in text.splitlines() if line.startswith("| collaborate")]
    assert [numbers(row) for row in rows] == [
        ["33.0%", "10.0%", "+23.0", "2.0", "40.0", "0.030"],
        ["+18.0", "6.0", "30.0", "0.020"],
    ]


def test_nothing_found_and_nothing_measured_is_said() -> None:
    found = audit(slices=[], reliance=None, calibration=None, swaps=None, missing={"reliance": "no drafts"})
    assert "Nothing was found" in summary(found)
    assert "No over-reliance: no drafts." in sentences(found)
    stream = io.StringIO()
    print_audit(found, stream)
    assert "| confidence" not in stream.getvalue()


def test_a_run_shows_its_audit_where_it_has_one(run_folder: Path) -> None:
    assert "Audit" not in write_page(run_folder).read_text()
    assert collect(run_folder).audit is None
    assert "audit" not in collect(run_folder).model_dump(mode="json")
    audit().write(run_folder / "evaluate" / AUDIT)
    assert collect(run_folder).audit == audit()
    stream = io.StringIO()
    print_run(collect(run_folder), stream)
    assert "Audit of 3 slices: 6 findings." in stream.getvalue()
    page = write_page(run_folder).read_text()
    for words in (
        "Audit: whom it helps and harms", escape(f"topic: {EVIL}"), "−20.0", "too sure", "he/she, his/her",
        "Over-reliance: of 150 queries",
    ):  # fmt: skip
        assert words in page, words
    assert EVIL not in page
    (run_folder / "evaluate" / AUDIT).write_text('{"version": 1}')
    assert AUDIT in collect(run_folder).unreadable[0]
    assert "Audit: whom" not in write_page(run_folder).read_text()
