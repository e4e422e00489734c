import json
from pathlib import Path
from typing import Any

import pytest

from cowest.errors import InputError
from cowest.report.cases import MAX_CHARACTERS, find_cases


def _write(folder: Path, method: str, *rows: dict[str, Any]) -> None:
    lines = "".join(json.dumps({"id": number, "query": "?", **row}) + "\n" for number, row in enumerate(rows))
    (folder / f"{method}.jsonl").write_text(lines)


def test_the_largest_gains_and_losses(tmp_path: Path) -> None:
    alone = [0.0, 1.0, 0.5, 0.0, 1.0, 0.9]
    together = [1.0, 0.0, 0.75, 0.0, 0.8, 1.0]
    _write(tmp_path, "strong_only", *({"correct": value, "output": "z", "answer": "a"} for value in alone))
    _write(tmp_path, "collaborate", *({"correct": value, "output": "y*", "draft": "y"} for value in together))
    found = find_cases(tmp_path, "collaborate")
    assert [case.id for case in found["help"]] == ["0", "2", "5"]
    assert [case.id for case in found["harm"]] == ["1", "4"]
    case = found["help"][0]
    assert (case.alone, case.draft, case.output, case.alone_answer, case.answer) == ("z", "y", "y*", "a", None)


def test_failed_and_unmatched_examples_are_no_cases(tmp_path: Path) -> None:
    _write(tmp_path, "strong_only", {"correct": 0.0, "error": "timeout"}, {"correct": 0.0})
    _write(tmp_path, "collaborate", {"correct": 1.0}, {"correct": 0.0}, {"correct": 1.0})
    assert find_cases(tmp_path, "collaborate") == {"help": [], "harm": []}


def test_missing_files_give_no_cases(tmp_path: Path) -> None:
    assert find_cases(tmp_path / "nowhere", "collaborate") == {"help": [], "harm": []}
    assert find_cases(tmp_path, None) == {"help": [], "harm": []}


def test_a_broken_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "strong_only.jsonl").write_text("{")
    (tmp_path / "collaborate.jsonl").write_text("")
    with pytest.raises(InputError, match="line 1"):
        find_cases(tmp_path, "collaborate")


def test_long_texts_are_cut_and_say_so(tmp_path: Path) -> None:
    _write(tmp_path, "strong_only", {"correct": 0.0})
    _write(tmp_path, "collaborate", {"correct": 1.0, "output": "x" * (MAX_CHARACTERS + 1500)})
    (case,) = find_cases(tmp_path, "collaborate")["help"]
    assert case.output.endswith("… (1,500 more characters in the file)")
