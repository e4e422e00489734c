"""What each method learns from a round: which drafts, which pairs, and what is left out and listed."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowest import preferences
from cowest.alignment import AlignConfig, load_method
from cowest.errors import InputError
from cowest.preferences import Choice
from cowest.runs import write_jsonl
from cowest.stages.align import align, holds_nothing, lessons_of
from cowest.types import ComparedExample, Draft, GradedDraft, GradedExample, Message, Verdict
from tests.training import tiny

PROMPT = (Message(role="user", content="x"),)


def example(drafts: list[tuple[int | None, str]], cut: tuple[int, ...] = ()) -> GradedExample:
    """A query with drafts of these gains and texts; those at the indices `cut` were cut."""
    return GradedExample(
        example_id="e",
        query="x",
        solo="z",
        solo_verdict=Verdict(score=5),
        drafts=tuple(
            GradedDraft(
                draft=Draft(text=text, sample_index=index, finish_reason="length" if index in cut else "stop"),
                refined="y*",
                verdict=Verdict(unscored_reason="no number") if gain is None else Verdict(score=5 + gain),
                gain=gain,
            )
            for index, (gain, text) in enumerate(drafts)
        ),
    )


gains_and_texts = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(-4, 5)), st.sampled_from("abcdef")), min_size=1, max_size=9
)


@given(drafts=gains_and_texts)
def test_all_pairs_are_each_positive_with_each_negative_and_the_best_with_the_worst_is_one_of_them(
    drafts: list[tuple[int | None, str]],
) -> None:
    graded = example(drafts)
    positives, negatives = preferences.sets(graded.drafts)
    found = {
        choice: [
            (pair.chosen[0].content, pair.rejected[0].content) for pair in preferences.pairs(graded, PROMPT, choice)
        ]
        for choice in ("matched", "best_worst", "all")
    }
    texts = [[draft.draft.text for draft in side] for side in (positives, negatives)]
    assert found["all"] == list(itertools.product(*texts))
    assert len(found["all"]) == len(positives) * len(negatives) == len(set(found["all"]))
    assert all(chosen != rejected for pairs in found.values() for chosen, rejected in pairs)
    assert len(found["best_worst"]) == min(1, len(found["all"]))
    if found["best_worst"]:
        ((chosen, rejected),) = found["best_worst"]
        assert (chosen, rejected) in found["all"]
        by_text = {draft.draft.text: draft.gain or 0 for draft in (*positives, *negatives)}
        assert by_text[chosen] == max(by_text.values())
        assert by_text[rejected] == min(by_text.values())
    stopped = graded.model_copy(update={"skipped": "settled"})  # no draft came after the query was settled
    assert set(_texts(stopped, "matched")) <= set(found["all"])


def _texts(graded: GradedExample, choice: Choice) -> list[tuple[str, str]]:
    found = preferences.pairs(graded, PROMPT, choice)
    return [(pair.chosen[0].content, pair.rejected[0].content) for pair in found]


@given(drafts=gains_and_texts)
def test_kto_uses_every_scored_draft_and_rft_the_best_of_those_that_helped(
    drafts: list[tuple[int | None, str]],
) -> None:
    graded = example(drafts)
    kto = load_method(AlignConfig(method="kto")).choose(graded, PROMPT)
    assert [(row.gain, row.completions[0]) for row in kto.rows] == [each for each in drafts if each[0] is not None]
    assert len(kto.rows) + len(kto.left_out) == len(drafts)
    rft = load_method(AlignConfig(method="rft")).choose(graded, PROMPT)
    helped = [(gain, text) for gain, text in drafts if gain is not None and gain > 0]
    best = max((gain for gain, _ in helped), default=None)
    assert [row.completions[0] for row in rft.rows] == [text for gain, text in helped if gain == best][:1]


@pytest.mark.parametrize(
    ("config", "ids", "left_out"),
    [
        # of (+1, +4, -1, -4), where the second and the last were cut
        (AlignConfig(pairs="best_worst"), ["e#0"], ["e#1", "e#3"]),
        (AlignConfig(pairs="all"), ["e#0"], ["e#1", "e#3"]),
        (AlignConfig(), ["e#0"], ["e#1"]),  # its pairs are made before
        (AlignConfig(method="rft"), ["e#0"], ["e#1", "e#3"]),
        (AlignConfig(method="kto"), ["e#0", "e#2"], ["e#1", "e#3"]),
    ],
)
def test_drafts_that_were_cut_are_left_out_and_listed(config: AlignConfig, ids: list[str], left_out: list[str]) -> None:
    graded = example([(1, "a"), (4, "b"), (-1, "c"), (-4, "d")], cut=(1, 3))
    found = load_method(config).choose(graded, PROMPT)
    assert [row.id for row in found.rows] == ids
    assert [row["id"] for row in found.left_out] == left_out
    assert all("cut at the token limit" in row["reason"] for row in found.left_out)


def test_kto_lists_drafts_without_a_verdict() -> None:
    (row,) = load_method(AlignConfig(method="kto")).choose(example([(1, "a"), (None, "b")]), PROMPT).left_out
    assert row == {"id": "e#1", "reason": "the draft is unscored: no number"}


def test_kto_has_nothing_to_learn_from_one_sign() -> None:
    method = load_method(AlignConfig(method="kto"))
    found = method.from_graded([(example([(1, "a"), (2, "b")]), PROMPT)])
    assert found.rows == []
    assert [row["id"] for row in found.left_out] == ["e#0", "e#1"]
    assert "same sign" in found.left_out[0]["reason"]


def test_lessons_come_from_the_file_that_the_method_reads(tmp_path: object) -> None:
    folder = tmp_path
    write_jsonl(folder / "pairs.jsonl", tiny.pairs(2))
    write_jsonl(folder / "graded.jsonl", tiny.graded(3))
    assert len(lessons_of(folder, AlignConfig()).rows) == 2
    assert len(lessons_of(folder, AlignConfig(pairs="all")).rows) == 3 * 2
    kto = lessons_of(folder, AlignConfig(method="kto"))
    assert kto == lessons_of(tiny.graded(3), AlignConfig(method="kto"))
    assert "twice 37?" in kto.rows[4].prompt[-1].content
    with pytest.raises(InputError, match=r"kto learns from drafts with their gains.*graded.jsonl"):
        lessons_of(folder / "pairs.jsonl", AlignConfig(method="kto"))
    with pytest.raises(InputError, match=r"rft learns from graded drafts, and preference pairs were given"):
        lessons_of(tiny.pairs(2), AlignConfig(method="rft"))


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([*tiny.pairs(1), *tiny.graded(1)], "GradedExample, PreferencePair"),
        ([ComparedExample(example_id="e", query="x", drafts=(), comparisons=())], "ComparedExample"),
        ([{"prompt": []}], "dict"),
    ],
)
def test_rows_that_nothing_is_learned_from_are_not_dropped(rows: Any, named: str) -> None:
    with pytest.raises(InputError, match=f"all PreferencePair or all GradedExample, but was given {named}"):
        lessons_of(rows, AlignConfig())


def test_pairs_is_still_a_name_of_what_is_learned_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no-pairs.jsonl' does not exist"):
        align("cowest.lab:assets/weak", pairs=tmp_path / "no-pairs.jsonl", out=tmp_path / "out")
    for names in ((), ("feedback", "pairs")):
        with pytest.raises(InputError, match="give feedback, or pairs"):
            align("cowest.lab:assets/weak", out=tmp_path / "out", **dict.fromkeys(names, tiny.pairs(1)))


def test_matched_pairs_can_be_made_of_graded_drafts() -> None:
    rows = lessons_of(tiny.graded(2), AlignConfig()).rows
    assert [row.completions for row in rows] == [("It is 0", "no: 0"), ("It is 74", "no: 10")]


def test_a_weight_needs_gains_that_differ() -> None:
    (pair,) = tiny.pairs(1)
    config = AlignConfig(weight="gain")
    assert [row.gain for row in lessons_of([pair], config).rows] == [3]
    with pytest.raises(InputError, match=r"pair 'e0#0' has the gains None and None"):
        lessons_of([pair.model_copy(update={"gain_chosen": None, "gain_rejected": None})], config)


REPLAYING = [
    AlignConfig(replay=True),
    AlignConfig(pairs="all", weight="gain", replay=True),
    AlignConfig(method="kto", replay=True),
    AlignConfig(method="rft", replay=True),
]


@pytest.mark.parametrize("config", REPLAYING, ids=AlignConfig.summary)
def test_a_replaying_round_learns_from_its_own_rows_and_from_those_of_each_round_before(config: AlignConfig) -> None:
    rounds = [tiny.graded(3), tiny.graded(2), tiny.graded(4)]
    alone = [lessons_of(graded, config) for graded in rounds]
    found = lessons_of(rounds[2], config, earlier=rounds[:2])
    for name in ("rows", "left_out"):
        kept = [each for lessons in alone for each in getattr(lessons, name)]
        assert [_without_id(each) for each in getattr(found, name)] == [_without_id(each) for each in kept]
    own = len(alone[2].rows)
    assert found.rows[-own:] == alone[2].rows
    assert [row.id.partition(":")[0] for row in found.rows[:-own]] == (
        ["round-1"] * len(alone[0].rows) + ["round-2"] * len(alone[1].rows)
    )
    assert len({row.id for row in found.rows}) == len(found.rows)
    plain = config.model_copy(update={"replay": False})
    assert lessons_of(rounds[2], plain) == alone[2]


def _without_id(row: Any) -> Any:
    return row["reason"] if isinstance(row, dict) else (row.prompt, row.completions, row.gain)


def test_a_text_in_both_sets_of_a_round_is_in_no_pair_of_a_later_one() -> None:
    doubted = example([(3, "a"), (1, "b"), (-2, "a"), (-1, "c")])
    rows = lessons_of([example([(2, "d"), (-1, "a")])], AlignConfig(pairs="all", replay=True), earlier=[[doubted]]).rows
    assert [row.completions for row in rows] == [("b", "c"), ("d", "a")]


def test_kto_has_both_signs_from_all_rounds_and_grpo_learns_from_none_before(tmp_path: Path) -> None:
    helped, harmed = [example([(1, "a")])], [example([(-1, "b")])]
    config = AlignConfig(method="kto", replay=True)
    assert [row.gain for row in lessons_of(helped, config, earlier=[harmed]).rows] == [-1, 1]
    for name, rows in (("before", harmed), ("now", helped), ("unscored", [example([(None, "c")])])):
        (tmp_path / name).mkdir()
        write_jsonl(tmp_path / name / "graded.jsonl", rows)
    assert holds_nothing(tmp_path / "now", config)
    assert not holds_nothing(tmp_path / "now", config, [tmp_path / "before"])
    assert holds_nothing(tmp_path / "unscored", config, [tmp_path / "before", tmp_path / "now"])
    with pytest.raises(InputError, match="grpo samples its own drafts"):
        lessons_of(helped, AlignConfig(method="grpo"), earlier=[harmed])
