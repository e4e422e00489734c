from pathlib import Path

import pytest

from cowest import runs
from cowest.viewer import collections
from cowest.viewer.summaries import Item, evaluation_item, feedback_item
from tests.viewer.sample import compared, graded, null_sample, pair, prediction, row, write_run


def evaluated(number: int, *, together: bool, alone: bool) -> Item:
    rows = {
        "collaborate": [row(prediction("collaborate", number, correct=together))],
        "strong_only": [row(prediction("strong_only", number, correct=alone))],
    }
    return evaluation_item(rows)


def test_a_run_is_its_evaluation_and_its_rounds_the_last_first(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 4)
    (run / "round-2" / "feedback").mkdir(parents=True)
    (run / "round-2" / "feedback" / "graded.jsonl").write_text("")
    found = list(collections.find(run))
    assert [each.name for each in found] == ["evaluation", "round-2", "round-1"]
    assert list(found[0].sources) == ["collaborate", "strong_only", "weak_only"]


@pytest.mark.parametrize(
    ("together", "alone", "gain", "flags"),
    [
        (True, False, 1.0, {"helped"}),
        (False, True, -1.0, {"harmed", "pair_wrong"}),
        (True, True, 0.0, set()),
        (False, False, 0.0, {"all_negative", "pair_wrong", "both_wrong"}),
    ],
)
def test_what_helped_and_what_harmed(together: bool, alone: bool, gain: float, flags: set[str]) -> None:
    item = evaluated(20, together=together, alone=alone)
    assert (item.gain, item.alone, item.flags) == (gain, float(alone), flags)


def test_a_failed_call_has_no_gain_and_no_score() -> None:
    item = evaluated(8, together=False, alone=True)
    assert (item.gain, item.score) == (None, None)
    assert item.flags == {"failed"}


UNSCORED = {"unscored", "unscored_draft", "unscored_alone", "unscored_pair"}


@pytest.mark.parametrize(
    ("method", "change", "flags"),
    [
        ("collaborate", {"answer": None}, {"unscored", "unscored_pair"}),
        ("collaborate", {"draft_answer": {"final": None, "correct": 0.0}}, {"unscored", "unscored_draft"}),
        ("collaborate", {"draft_answer": {"final": "Belm", "correct": 0.0}}, set()),
        ("strong_only", {"answer": None}, {"unscored", "unscored_alone"}),
        ("weak_only", {"answer": None}, {"unscored"}),
        ("strong_only", {"answer": None, "error": "no reply"}, set()),
    ],
)
def test_an_answer_that_was_not_found_says_whose(method: str, change: dict[str, object], flags: set[str]) -> None:
    names = ("collaborate", "strong_only", "weak_only")
    rows = {name: [row(prediction(name, 20, correct=False)) | (change if name == method else {})] for name in names}
    assert evaluation_item(rows).flags & UNSCORED == flags


@pytest.mark.parametrize(
    ("drafted", "answer", "together", "alone", "flags"),
    [
        ("Belm", "belm.", False, True, {"harmed", "took_wrong", "pair_wrong"}),
        ("Belm", "Carrow", False, True, {"harmed", "pair_wrong"}),
        ("Belm", "Belm", False, False, {"all_negative", "pair_wrong", "both_wrong"}),  # wrong without the draft too
        ("Orrin20", "Belm", False, False, {"all_negative", "pair_wrong", "both_wrong", "left_right"}),
        ("Orrin20", "Orrin20", True, False, {"helped"}),
        (None, "Belm", False, True, {"harmed", "pair_wrong", "unscored", "unscored_draft"}),
    ],
)
def test_what_became_of_a_draft(drafted: str | None, answer: str, together: bool, alone: bool, flags: set[str]) -> None:
    pair = row(prediction("collaborate", 20, correct=together)) | {"answer": answer}
    pair["draft_answer"] = {"final": drafted, "label": None, "correct": float(drafted == "Orrin20")}
    rows = {"collaborate": [pair], "strong_only": [row(prediction("strong_only", 20, correct=alone))]}
    assert evaluation_item(rows).flags == flags
    pair["draft_answer"] = "not a draft's answer"
    assert not evaluation_item(rows).flags & {"took_wrong", "left_right"}


def test_only_short_fields_part_the_examples() -> None:
    found = row(prediction("strong_only", 9, correct=True))
    found["fields"] |= {"text": "long " * 40, "empty": "", "list": [1]}
    assert evaluation_item({"strong_only": [found]}).facets == {"subject": "rivers", "year": "1809", "label": "yes"}


@pytest.mark.parametrize(
    ("number", "gain", "flags"),
    [
        (20, 3, {"helped", "harmed", "paired"}),
        (21, 0, {"harmed", "all_negative", "paired"}),
        (22, 2, {"helped", "paired"}),
        (23, 0, {"all_negative", "unscored", "unscored_pair", "paired"}),
    ],
)
def test_drafts_are_summed_up(number: int, gain: int, flags: set[str]) -> None:
    item = feedback_item({"graded": [row(graded(number))], "pairs": [row(pair(number))]})
    assert (item.gain, item.flags) == (gain, flags)


def test_an_example_that_was_left_out_is_shown_with_its_reason() -> None:
    item = feedback_item({"failures": [{"example_id": "e", "reason": "z is unscored"}]})
    assert (item.excerpt, item.gain, item.flags) == ("z is unscored", None, {"failed"})


def test_the_null_control_is_found() -> None:
    item = feedback_item({"graded": [row(graded(10))], "null_control": [row(null_sample(10))]})
    assert "controlled" in item.flags
    assert "guess10" in item.text
    assert "controlled" not in feedback_item({"graded": [row(graded(11))]}).flags


def test_drafts_that_were_compared_have_no_gain_and_are_not_unscored() -> None:
    item = feedback_item({"graded": [row(compared(0))]})
    assert (item.gain, item.flags) == (None, frozenset())
    assert "Explanation: Draft 1." in item.text
    assert feedback_item({"graded": [row(compared(1))]}).flags == {"unscored"}


def test_outputs_that_were_compared_with_z_are_not_unscored() -> None:
    draft = {
        "draft": {"text": "d", "sample_index": 0},
        "refined": "y",
        "verdict": {"score": None, "compared": 1},
        "gain": 1,
    }
    row_of = {"query": "q", "solo": "z", "solo_verdict": {"score": None, "compared": 0}, "drafts": [draft]}
    assert feedback_item({"graded": [row_of]}).flags == {"helped"}
    unscored = draft | {"verdict": {"score": None, "unscored_reason": "no vote"}, "gain": None}
    assert feedback_item({"graded": [row_of | {"drafts": [unscored]}]}).flags == {"unscored", "unscored_pair"}
    alone = {"solo_verdict": {"score": None, "unscored_reason": "no score"}}
    assert {"unscored", "unscored_alone"} == feedback_item({"graded": [row_of | alone]}).flags & UNSCORED


def test_what_is_graded_so_far_is_shown_until_the_stage_ends(tmp_path: Path) -> None:
    feedback = tmp_path / "run" / "round-1" / "feedback"
    runs.write_jsonl(feedback / "graded-so-far.jsonl", [graded(1)])
    (found,) = collections.find(tmp_path / "run")
    assert (found.growing, found.sources) == (True, {"graded": feedback / "graded-so-far.jsonl"})
    runs.write_jsonl(feedback / "graded.jsonl", [graded(0), graded(1)])
    (found,) = collections.find(tmp_path / "run")
    assert (found.growing, found.sources) == (False, {"graded": feedback / "graded.jsonl"})
