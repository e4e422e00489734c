"""What `cowest show` and the page say of a gate: only where there is one, and never at the cost of the rest."""

import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cowest import runs
from cowest.gating.section import gate_line, gate_section
from cowest.report import collect, print_run, write_page
from tests.report.sample import answered, changed, gate, gate_test, gate_validation
from tests.wording import numbers

POLICY = "both below 0.5000, draft from 0.5000 on"


def shown(folder: Path) -> str:
    stream = io.StringIO()
    print_run(collect(folder), stream)
    return stream.getvalue()


def test_one_line_says_the_policy_and_what_it_did_on_test() -> None:
    line = gate_line(gate())
    assert line.startswith(f"Gate: {POLICY}")
    on_test = ["85.0%", "80.0", "90.0", "$2.20", "1,000", "$4.00", "−5.0", "−10.0", "0.0"]
    assert numbers(line.removeprefix(f"Gate: {POLICY}")) == on_test
    untried = gate_line(gate(test=None, met=False))
    assert untried.startswith(f"Gate: {POLICY}")
    assert "not met on validation" in untried
    assert "no test split" in untried
    assert "at 2 tokens per 1,000 queries" in gate_line(gate(cost_unit="strong_tokens"))


def test_a_run_shows_its_gate_where_it_has_one(run_folder: Path) -> None:
    write_page(run_folder)
    before = (run_folder / "report.html").read_text()
    assert collect(run_folder).gate is None
    assert "Gate" not in shown(run_folder)
    assert "Gate" not in before
    gate().write(run_folder / "gate/gate.json")
    assert collect(run_folder).gate == gate()
    assert f"\nGate: {POLICY}; on test 85.0%" in shown(run_folder)
    page = write_page(run_folder).read_text().replace("\N{NO-BREAK SPACE}", " ")
    for words in (POLICY, "The aim is missed on test.", "−5.0 points [−10.0, 0.0]",
                  "20 validation rows (SHA-256 abababababab)",
                  "gate on test: 85.0% [80.0, 90.0] for $2.20 per 1,000", "gate, cross-validated"):  # fmt: skip
        assert words in page, words
    assert "**" not in page


def broken() -> dict[str, Any]:
    """What may stand in a gate.json that is none, by its fault."""
    document = gate().to_json()
    validation = document["validation"]
    answers, test = validation["gate"], document["test"]

    def with_validation(**changes: Any) -> dict[str, Any]:
        return document | {"validation": validation | changes}

    return {
        "no policy": document | {"policy": None},
        "a policy of another kind": document | {"policy": {"cuts": [0.5], "arms": ["both"]}},
        "no aim": document | {"min_accuracy": None},
        "no curve": with_validation(curve=[]),
        "no arm to compare with": with_validation(alone={"draft": validation["alone"]["draft"]}),
        "no number": with_validation(gate=answers | {"cost_per_query": float("nan")}),
        "a share too few": with_validation(gate=answers | {"shares": {"draft": 1.0}}),
        "no interval": with_validation(gate=answers | {"accuracy": {"value": 0.9}}),
        "no interval of the difference": document | {"test": test | {"difference_to_both": {"difference": 0.1}}},
        "half a test": document | {"test": {}},
        "a later version": document | {"version": 2},
        "another shape": [],
    }


@pytest.mark.parametrize("fault", broken())
def test_a_broken_gate_is_named_and_the_rest_is_shown(run_folder: Path, fault: str) -> None:
    runs.write_json(run_folder / "gate/gate.json", broken()[fault])
    text, page = shown(run_folder), write_page(run_folder).read_text()
    for each in (text, page):
        assert "gate/gate.json" in each
        assert "+41.5" in each
    assert "Gate: " not in text
    assert "who answers while serving" not in page


def test_a_gate_of_an_older_version_lacks_only_what_it_was_made_of(run_folder: Path) -> None:
    older = gate().to_json()
    del older["made_of"]
    runs.write_json(run_folder / "gate/gate.json", older)
    page = write_page(run_folder).read_text()
    assert POLICY in page
    assert "SHA-256" not in page


def test_the_picture_has_the_gate_first_and_every_arm_where_it_was_measured() -> None:
    strong = answered(0.3, 0.003, strong=1.0)
    alone = gate_validation().alone
    section = gate_section(gate(validation=gate_validation(alone=alone | {"strong": strong})))
    names = [point.partition(":")[0] for point in section.points]
    assert names == ["gate on test", "draft alone on test", "both on test", "strong model alone on validation"]
    root = ElementTree.fromstring(section.plot)
    assert [len(line.attrib["points"].split()) for line in root.iter("polyline")] == [20, 20]
    marks = {text.text: text for text in root.iter("text") if text.attrib.get("class") == "mark"}
    x, y = ({number: float(mark.attrib[axis]) for number, mark in marks.items()} for axis in ("x", "y"))
    # Cost: draft, gate, strong model alone, both; accuracy: strong model alone, draft, gate, both.
    assert x["2"] < x["1"] < x["4"] < x["3"]
    assert y["3"] < y["1"] < y["2"] < y["4"]
    assert [group.attrib["class"] for group in root.iter("g")][-1] == "interval pair"
    untried = gate_section(gate(test=None))
    assert untried.points[0].startswith("gate on validation, cross-validated: 88.0%")
    assert all("on validation" in point for point in untried.points)
    free = {arm: changed(found, cost_per_query=0.0) for arm, found in alone.items()}
    curve = [changed(point, cost_per_query=0.0) for point in gate_validation().curve]
    nothing = gate_validation(alone=free, curve=curve, cross_validated_curve=curve)
    ElementTree.fromstring(gate_section(gate(test=None, validation=nothing)).plot)


def test_a_cost_that_is_not_known_is_said_and_not_drawn(run_folder: Path) -> None:
    drawn = gate_section(gate()).plot.count('class="dot"')
    result = gate(test=gate_test(gate=changed(gate_test().gate, cost_per_query=None)))
    assert "at unknown per 1,000 queries" in gate_line(result)
    assert gate_section(result).plot.count('class="dot"') == drawn - 1
    result.write(run_folder / "gate/gate.json")
    assert "at unknown per 1,000 queries" in shown(run_folder)
    document = result.to_json()
    document["validation"]["gate"]["cost_per_query"] = None  # a policy is never learned without a cost
    runs.write_json(run_folder / "gate/gate.json", document)
    assert "at unknown per 1,000 queries" not in shown(run_folder)
