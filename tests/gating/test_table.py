"""The page and the picture of a gate."""

import builtins
import re
from pathlib import Path
from typing import Any, Literal

import pytest

from cowest.gating.figure import draw_gate
from cowest.gating.table import gate_page
from cowest.records.gate import GateTarget
from tests.report.sample import answered, changed, gate, gate_test


def test_the_page_says_what_was_fitted_what_holds_and_what_test_made_of_it() -> None:
    page = gate_page(gate())
    assert "Policy, by the confidence of the draft: both below 0.5000, draft from 0.5000 on." in page
    assert "| validation | gate, as fitted | 90.0% [85.0, 95.0] | $2.00 | 50.0% | 0.0% | 50.0% |" in page
    assert "88.0% at $2.10 per 1,000 queries, which misses it" in page
    assert "−5.0 points [−10.0, 0.0], p 0.062, for 45.0% less" in page
    assert "**missed** on test" in page
    dearer = changed(gate_test().gate, cost_per_query=1.1 * (gate_test().alone["both"].cost_per_query or 0.0))
    assert "for 10.0% more" in gate_page(gate(test=gate_test(gate=dearer)))
    assert page.count("both below 0.5000, draft from 0.5000 on |") == 12


def test_the_page_is_silent_on_what_holds() -> None:
    page = gate_page(gate(target=GateTarget(max_cost_usd=0.003), min_accuracy=None))
    assert re.search(r"at most \$0\.0030 a query.*: met", page)
    assert "misses it" not in page
    assert "The aim is kept on test." in page
    assert "(as both together are)" in gate_page(gate(target=GateTarget()))
    assert "**not met**" in gate_page(gate(met=False))
    always = gate_test(gate=answered(0.9, 0.004, both=1.0))
    assert "nothing is won or lost" in gate_page(gate(test=always))
    assert "no test split" in gate_page(gate(test=None))


@pytest.mark.parametrize("unit", ["usd", "strong_tokens"])
def test_the_picture_is_the_same_for_the_same_numbers(tmp_path: Path, unit: Literal["usd", "strong_tokens"]) -> None:
    pytest.importorskip("matplotlib")
    for name in ("one", "two"):
        assert draw_gate(gate(cost_unit=unit, test=None if unit == "usd" else gate_test()), tmp_path / name)
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_cost_that_is_not_known_is_not_in_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    whole = gate_test()
    both = changed(whole.alone["both"], cost_per_query=None)
    test = gate_test(gate=changed(whole.gate, cost_per_query=None), alone=whole.alone | {"both": both})
    for name, result in (("unknown", gate(test=test)), ("none", gate(test=None))):
        assert draw_gate(result, tmp_path / name)
    assert (tmp_path / "unknown.svg").read_bytes() == (tmp_path / "none.svg").read_bytes()


def test_without_matplotlib_there_is_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def missing(name: str, *more: Any, **named: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return load(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert not draw_gate(gate(), tmp_path / "curve")
    assert not list(tmp_path.iterdir())
