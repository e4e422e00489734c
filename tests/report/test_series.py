import json
from pathlib import Path

import pytest

from cowest.report.series import MAX_POINTS, curves, gains


def write(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_curves_are_what_training_wrote(tmp_path: Path) -> None:
    rows = [{"step": 1, "loss": 0.7, "rewards/accuracies": 0.25}, {"step": 2, "loss": 0.5}, {"step": 3, "other": 1}]
    assert curves(write(tmp_path / "metrics.jsonl", list(rows))) == {"loss": [(1, 0.7), (2, 0.5)]}


def test_a_long_curve_is_drawn_as_means(tmp_path: Path) -> None:
    rows: list[object] = [{"step": step, "loss": float(step)} for step in range(10 * MAX_POINTS)]
    (loss,) = curves(write(tmp_path / "metrics.jsonl", rows)).values()
    assert len(loss) == MAX_POINTS
    assert loss[0] == (4.5, 4.5)
    assert loss[-1] == (10 * MAX_POINTS - 5.5, 10 * MAX_POINTS - 5.5)


def test_gains_are_counted_without_gaps(tmp_path: Path) -> None:
    drafts = [{"gain": gain} for gain in (3, 0, 0, None, 1)]
    assert gains(write(tmp_path / "graded.jsonl", [{"drafts": drafts}, {"drafts": []}])) == {0: 2, 1: 1, 2: 0, 3: 1}


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    assert curves(tmp_path / "metrics.jsonl") == {}
    assert gains(tmp_path / "graded.jsonl") == {}
    assert gains(write(tmp_path / "graded.jsonl", [{"drafts": [{"gain": None}]}])) == {}


@pytest.mark.parametrize("row", [{"drafts": ["text"]}, {"drafts": [{"gain": "much"}]}])
def test_a_broken_file_is_an_error_that_the_page_names(tmp_path: Path, row: object) -> None:
    with pytest.raises((ValueError, AttributeError)):
        gains(write(tmp_path / "graded.jsonl", [row]))
