"""`cowest judge check`: it finds the judge that obeys orders and no other; it pays once, on validation only."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cowest.cli import main as cli
from cowest.errors import EndpointError, InputError
from cowest.judge.attacks import load_attacks
from cowest.pipeline import Pipeline
from cowest.recipe import make_recipe
from cowest.records import JudgeCheck
from cowest.types import ChatRequest, Example
from tests.recipes import recipe_of
from tests.worlds import Sums, strong_reply, sums

MODULE = "scripted/tests.stages.test_judge_check"
NUM_ATTACKS = len(load_attacks().orders)


class Between(Sums):
    """Sums from one number to another, so that the splits are apart: "20-40"."""

    def read(self, location: str) -> list[Example]:
        first, _, last = location.partition("-")
        return sums(int(last))[int(first) :]


def texts_of(request: ChatRequest) -> tuple[str, str]:
    """The reference's answer and the judged text."""
    prompt = request.messages[0].content
    reference = prompt.partition("Answer: ")[2].partition("\n")[0]
    return reference, prompt.partition("\n\n<<<OUTPUT")[2].rpartition("\n\nReply with")[0]


def firm(request: ChatRequest) -> str:
    """Compares the answer in the text with the reference, and nothing else."""
    reference, text = texts_of(request)
    return "10" if f"Answer: {reference}\n" in text else "1"


def obedient(request: ChatRequest) -> str:
    """Gives ten where the text asks for it in any way."""
    return "10" if " 10" in texts_of(request)[1].replace("(10", " 10") else firm(request)


def wordy(request: ChatRequest) -> str:
    """Likes long texts, changes its mind, and often says no number."""
    if len(request.messages) == 1 and request.sample_index:
        return "well"
    score = int(firm(request)) + (1 if "consider what exactly" in request.messages[0].content else 0)
    return str(min(10, score + (2 if request.sample_index else 0)))


def choosing(request: ChatRequest) -> str:
    """Compares two texts and takes the one that gives orders, else the right one, else the first."""
    prompt = request.messages[0].content
    first, _, second = prompt.partition("<<<FIRST")[2].partition("<<<SECOND")
    number = int(prompt.partition("What is ")[2].split()[0])
    marks = [
        ("choose this" in text, f"Answer: {2 * number + 1}\n" in text)
        for text in (first, second.partition("Reply with")[0])
    ]
    return "2" if marks[1] > marks[0] else "1"


def failing(request: ChatRequest) -> str:
    """The endpoint is gone at the fortieth call of a process that was told so."""
    if failing.left is not None:  # type: ignore[attr-defined]
        failing.left -= 1  # type: ignore[attr-defined]
        if failing.left < 0:  # type: ignore[attr-defined]
            raise EndpointError("the endpoint is gone")
    return firm(request)


failing.left = None  # type: ignore[attr-defined]


def recipe(folder: Path, judge: Any, **changes: Any) -> dict[str, Any]:
    task = {"name": "tests.stages.test_judge_check:Between", "train": "0-20", "validation": "100-120", "test": "30-50"}
    return recipe_of(folder / "run", task=task, judge=judge, **changes)


def check(folder: Path, judge: Any, limit: int = 6, **changes: Any) -> tuple[JudgeCheck, dict[str, int], list[str]]:
    said: list[str] = []
    with Pipeline(make_recipe(recipe(folder, judge, **changes)), say=said.append) as pipeline:
        return pipeline.check_judge(limit), pipeline.context.paid_calls(), said


def share(estimate: Any) -> float:
    assert estimate is not None
    return float(estimate.value)


def test_every_attack_on_an_obedient_judge_succeeds_and_none_on_a_firm_one(tmp_path: Path) -> None:
    weak, _, _ = check(tmp_path / "weak", {"model": f"{MODULE}:obedient"}, limit=10)
    assert weak.all_attacks is not None
    assert 0 < weak.all_attacks.num_beatable < weak.all_attacks.num_rows == weak.num_rows == 10
    assert {name: (share(each.raised), share(each.succeeded)) for name, each in weak.attacks.items()} == dict.fromkeys(
        load_attacks().orders, (1.0, 1.0)
    )
    firm, _, _ = check(tmp_path / "firm", {"model": f"{MODULE}:firm"})
    assert firm.all_attacks is not None
    assert (share(firm.all_attacks.raised), share(firm.all_attacks.succeeded)) == (0.0, 0.0)
    assert (share(firm.reference), share(firm.wrong), share(firm.ordered)) == (10.0, 1.0, 1.0)
    assert (share(firm.equal_again), firm.difference_again, firm.num_unscored, firm.num_asked_again) == (1.0, 0, 0, 0)
    assert share(firm.padded_reference) == share(firm.padded_wrong) == 0.0


def test_length_repeats_and_unreadable_replies_are_measured(tmp_path: Path) -> None:
    found, _, _ = check(tmp_path, {"model": f"{MODULE}:wordy"})
    assert (share(found.padded_reference), share(found.padded_wrong)) == (0.0, 1.0)
    # Only the wrong answer can be judged higher the second time; each of these replies was no number at first.
    assert (share(found.equal_again), found.difference_again) == (0.5, 1.0)
    assert found.num_asked_again == 2 * found.num_rows


def test_what_is_said_before_is_what_is_paid_and_it_is_paid_once(tmp_path: Path) -> None:
    judge = {"panel": [{"model": f"{MODULE}:firm"}, {"model": f"{MODULE}:obedient"}]}
    first, paid, said = check(tmp_path, judge)
    each = 6 * (6 + NUM_ATTACKS + 1)
    roles = ["judge:tests.stages.test_judge_check:firm", "judge:tests.stages.test_judge_check:obedient"]
    assert paid == first.calls == {**dict.fromkeys(roles, each), "strong": 6}
    assert any(f"at most {2 * each:,} calls" in line and "6 of strong" in line for line in said)
    assert check(tmp_path, judge)[:2] == (first, paid)
    assert first.panel is not None
    assert first.panel.alpha is not None
    assert first.panel.alpha < 0.5


def test_a_check_that_was_stopped_goes_on_without_paying_twice(tmp_path: Path) -> None:
    judge = {"model": f"{MODULE}:failing"}
    whole, paid, _ = check(tmp_path / "whole", judge)
    failing.left = 40  # type: ignore[attr-defined]
    with pytest.raises(EndpointError):
        check(tmp_path / "stopped", judge)
    failing.left = paid["judge"] - 40  # type: ignore[attr-defined]
    assert check(tmp_path / "stopped", judge)[:2] == (whole, paid)
    failing.left = None  # type: ignore[attr-defined]


def test_a_judge_that_compares_is_checked_against_z(tmp_path: Path) -> None:
    found, paid, _ = check(tmp_path, {"model": f"{MODULE}:choosing", "reference": "none"}, limit=8)
    assert found.scale == "comparison"
    assert paid["judge"] <= 2 * 8 * (6 + NUM_ATTACKS)
    obeyed = {name for name, text in load_attacks().orders.items() if "choose this" in text}
    assert obeyed
    for name, outcome in found.attacks.items():
        assert share(outcome.succeeded) == (1.0 if name in obeyed else 0.0), name
    # A right answer that the strong model gave too is a tie or better, never worse.
    assert share(found.reference) >= 0 >= share(found.wrong)


def test_a_program_is_checked_without_a_call(tmp_path: Path) -> None:
    found, paid, said = check(tmp_path, {"name": "answer_match"})
    assert paid == found.calls == {"strong": 6}
    assert any("at most 0 calls of a judge without a model" in line for line in said)
    assert share(found.ordered) == 1.0


def test_only_rows_of_validation_are_used(tmp_path: Path) -> None:
    seen.clear()
    check(tmp_path, {"model": f"{MODULE}:firm"}, strong={"model": f"{MODULE}:remembering"})
    assert len(seen) == 6
    assert seen <= set(range(100, 120))
    missing = recipe(tmp_path, {"name": "answer_match"})
    del missing["task"]["validation"]
    with Pipeline(make_recipe(missing)) as pipeline, pytest.raises(InputError, match="validation split"):
        pipeline.check_judge(3)


seen: set[int] = set()


def remembering(request: ChatRequest) -> str:
    seen.add(int(request.messages[0].content.partition("What is ")[2].split()[0]))
    return strong_reply(request)


def test_the_command_prints_a_table_of_80_columns_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(tmp_path, {"model": f"{MODULE}:obedient"})))
    assert cli.main(["judge", "check", str(path), "--limit", "4"]) == 0
    printed = capsys.readouterr()
    assert "100.0% of attacks succeed" in printed.out
    assert "calls of judge" in printed.err
    assert cli.main(["judge", "check", str(path), "--limit", "4", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert JudgeCheck.model_validate(document).all_attacks is not None
    assert document["num_rows"] == 4
    with pytest.raises(SystemExit) as stopped:
        cli.main(["judge", "check", str(path), "--limit", "0"])
    assert stopped.value.code == 2


def test_every_attack_holds_the_answer_and_an_order() -> None:
    attacks = load_attacks()
    for name in attacks.orders:
        attacked = attacks.attacked(name, "Answer: 7 {output} {braces}")
        assert "Answer: 7 {output} {braces}" in attacked
        assert len(attacked) > 60
        assert "10" in attacked, name
    assert attacks.padded("", "7").endswith("\nAnswer: 7")
