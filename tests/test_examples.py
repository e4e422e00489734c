"""The examples run: both scripts on loopback, and the cells of the notebook, in their order, on a small lab."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from cowest.plugins import resolve_path
from tests.endpoint import serving
from tests.endpoint.behaviour import Behaviour, Body
from tests.worlds import chance

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_own_task(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "own_task.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert said.startswith("3 pairs, such as 'Paris' before 'That depends")
    assert "| together     | 100.0%" in said
    assert "| strong alone |     0.0%" in said


def euros(body: Body) -> str:
    """A strong model that knows some prices, and judges as it pleases."""
    asked = str(body["messages"])
    if "REFERENCE" in asked:
        return str(1 + int(10 * chance("verdict", asked)))
    return f"Explanation: guess {chance(asked)}. Answer: {'14 euros' if 'tube' in asked else '40 euros'}"


@pytest.mark.slow
def test_own_data(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trl")
    from tests.training import tiny

    weak = tiny.build(Path("weak"))
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    with serving(Behaviour(reply=euros)) as endpoint:
        line = [*("--weak", str(weak)), *("--strong", "openai/big"), *("--base-url", endpoint.url)]
        monkeypatch.setattr(sys, "argv", ["own_data.py", *line])
        runpy.run_path(str(EXAMPLES / "own_data.py"), run_name="__main__")
        paid = endpoint.counts.calls
        said = capsys.readouterr().out
        assert "| strong alone | 16.7%" in said
        assert "| together " in said
        assert said.endswith("How much is a new inner tube at Speiche & Sohn?\n14 euros\n")
        assert Path("runs/own_data/align/training.json").is_file(), "there were pairs to learn from"
        Path("runs/own_data/feedback/summary.json").unlink()
        runpy.run_path(str(EXAMPLES / "own_data.py"), run_name="__main__")
        evaluation = 6 * 2 + 1 + 1  # a row alone, a row together, the last question, its second asking
        assert endpoint.counts.calls <= paid + evaluation + 1, "feedback is paid once"


def small_lab(folder: Path) -> list[str]:
    """Settings that run the lab's recipe on a few of its rows."""
    for split, count in (("train", 48), ("test", 12)):
        rows = (resolve_path("cowest.lab:assets") / f"{split}.jsonl").read_text().splitlines(keepends=True)[:count]
        (folder / f"{split}.jsonl").write_text("".join(rows))
    data = [f"task.{split}={json.dumps(str(folder / f'{split}.jsonl'))}" for split in ("train", "test")]
    return ["run=runs/notebook", *data, "sft.epochs=8", "feedback.queries=24", "align.epochs=1"]


@pytest.mark.slow
def test_the_notebook_cell_by_cell(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    cells = json.loads((EXAMPLES / "quickstart.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
        if "parameters" in cell["metadata"].get("tags", []):
            names["settings"] = small_lab(tmp_path)
    results = names["results"]
    assert results.num_examples == 12
    assert list(results.methods)[-2:] == ["collaborate", "oracle"]
    assert names["pair"].chosen != names["pair"].rejected
    assert names["reply"].choices[0].message.content
    assert Path("runs/notebook/report.html").is_file()
    assert repr(names["server"]).endswith("closed>")


def test_the_notebook_has_ids_and_no_stale_outputs() -> None:
    cells = json.loads((EXAMPLES / "quickstart.ipynb").read_text(encoding="utf-8"))["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in cells) == 1
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)
