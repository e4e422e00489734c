"""feedback.drafts: until_pair: which drafts are made, that no call is added or paid twice, and what is counted."""

import json
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowest import preferences, progress, synchronous
from cowest.annotators.collaborative import Collaborative
from cowest.annotators.rlaif import Rlaif
from cowest.collaboration import Collaboration
from cowest.errors import EndpointError, InputError
from cowest.models.providers.scripted import ScriptedModel
from cowest.records import FeedbackSummary, read_rows
from cowest.stages.feedback import FeedbackConfig, feedback
from cowest.types import ChatRequest, ComparedExample, Example, GradedExample, PreferencePair
from tests.noisy_world import NoisyWorld
from tests.worlds import ScoreBy, gambler, right_or_wrong, sums

EXAMPLES = sums(30)
ALONE = 5


def gather(out: Path, world: NoisyWorld, drafts: str, **changes: Any) -> dict[str, GradedExample]:
    with progress.quietly():
        feedback(EXAMPLES[:6], weak=world.weak, strong=world.strong, out=out, drafts=drafts, **changes)
    return {row.example_id: row for row in read_rows(out / "graded.jsonl", GradedExample, "graded example")}


def paired(out: Path) -> Counter[str]:
    return Counter(row.example_id for row in read_rows(out / "pairs.jsonl", PreferencePair, "pair"))


def keys(out: Path) -> set[str]:
    """What was paid for."""
    with closing(sqlite3.connect(out / "ledger.sqlite")) as ledger:
        return {key for (key,) in ledger.execute("SELECT key FROM calls WHERE response IS NOT NULL")}


@settings(max_examples=8, deadline=None)
@given(
    number=st.integers(0, 10_000), samples=st.integers(2, 6), saturated=st.sampled_from([0.0, 0.5]), skip=st.booleans()
)
def test_its_calls_are_among_those_of_all_drafts_and_give_a_pair_wherever_these_do(
    number: int, samples: int, saturated: float, skip: bool
) -> None:
    changes: dict[str, Any] = {"samples": samples, "skip_settled": skip}
    with tempfile.TemporaryDirectory() as folder:
        whole, until = Path(folder, "all"), Path(folder, "until")
        graded_whole = gather(whole, NoisyWorld(number, saturated), "all", **changes)
        world = NoisyWorld(number, saturated)
        graded_until = gather(until, world, "until_pair", **changes)
        pairs_whole, pairs_until = paired(whole), paired(until)
        assert keys(until) <= keys(whole)
        assert graded_until.keys() == graded_whole.keys()
        for name, row in graded_until.items():
            drafts = graded_whole[name].drafts
            assert row.drafts == drafts[: len(row.drafts)]
            assert pairs_until[name] <= 1
            if pairs_whole[name]:
                assert pairs_until[name]
            elif pairs_until[name]:  # a later draft of the same text was judged the other way
                chosen, rejected = (side[0] for side in preferences.sets(row.drafts))
                later = {
                    (draft.draft.text, preferences.is_positive(draft)) for draft in drafts if draft.gain is not None
                }
                assert {(chosen.draft.text, False), (rejected.draft.text, True)} & later
        summary = FeedbackSummary.read(until / "summary.json")
        assert summary.num_drafts_not_drawn == sum(
            samples - len(row.drafts) for row in graded_until.values() if row.skipped == "paired"
        )
        gather(until, world, "all", **changes)  # a user who wants the other drafts after all
        assert keys(until) == keys(whole)
        assert set(world.paid.values()) <= {0, 1}
        assert (until / "pairs.jsonl").read_bytes() == (whole / "pairs.jsonl").read_bytes()


@pytest.mark.parametrize("stop_after", [1, 25])
def test_a_stop_pays_nothing_twice_and_gives_the_same_pairs(tmp_path: Path, stop_after: int) -> None:
    whole, world = gather(tmp_path / "whole", NoisyWorld(3), "until_pair"), NoisyWorld(3)

    async def stopping(request: ChatRequest) -> Any:
        if world.paid.total() >= stop_after:
            raise EndpointError("the endpoint is gone")
        return await inner.complete(request)

    inner = world.strong
    world.strong = ScriptedModel(stopping, name=inner.name, identity=inner.identity)
    with pytest.raises(EndpointError, match="gone"):
        gather(tmp_path / "run", world, "until_pair")
    world.strong = inner
    assert gather(tmp_path / "run", world, "until_pair") == whole
    assert set(world.paid.values()) <= {0, 1}
    assert (tmp_path / "run/pairs.jsonl").read_bytes() == (tmp_path / "whole/pairs.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("scores", "made", "skipped"),
    [
        ([9, 1, 9, 1], 2, "paired"),
        ([9, 9, 9, 1], 4, None),
        ([9, 9, 1, 9], 3, "paired"),
        ([1, None, 9, 9], 3, "paired"),
        ([None, None, 9, 1], 4, None),
        ([1, 1, 1, 1], 4, None),
    ],
)
def test_drafts_are_made_until_one_helped_and_one_did_not(
    scores: list[int | None], made: int, skipped: str | None
) -> None:
    """Of drafts with these scores, beside 5 of the strong model alone; None is a verdict that cannot be had."""
    asked: list[int] = []

    def draft(request: ChatRequest) -> str:
        asked.append(request.sample_index)
        return f"d{request.sample_index}"

    def score(example: Example, output: str) -> int | None:
        return scores[int(output[-1])] if output[-1].isdigit() else ALONE

    strong = ScriptedModel(lambda request: next((f"d{i}" for i in range(4) if f"d{i}" in str(request.messages)), "z"))
    annotator = Collaborative(Collaboration(ScriptedModel(draft), strong), ScoreBy(score), samples=4, until_pair=True)
    found = synchronous.run(annotator.annotate(Example(id="e", query="?")))
    assert asked == list(range(made))
    assert (len(found.drafts), found.skipped) == (made, skipped)


def test_the_two_signs_of_one_text_are_no_pair() -> None:
    """A text that is in both sets is in neither, so that further drafts are made."""
    verdicts = iter([9, 1, 9, 1])
    strong = ScriptedModel(lambda request: f"y* {request.sample_index}" if "d-" in str(request.messages) else "z")
    weak = ScriptedModel(lambda request: "d-same" if request.sample_index < 2 else f"d-{request.sample_index}")
    judge = ScoreBy(lambda example, output: next(verdicts) if output.startswith("y*") else ALONE)
    annotator = Collaborative(Collaboration(weak, strong), judge, samples=5, until_pair=True)
    found = synchronous.run(annotator.annotate(Example(id="e", query="?")))
    (pair,) = preferences.pairs(found, ())
    assert (len(found.drafts), pair.chosen_sample_index, pair.rejected_sample_index) == (4, 2, 3)


def test_rlaif_compares_until_a_comparison_has_a_winner(tmp_path: Path) -> None:
    def vote(request: ChatRequest) -> str:
        text = request.messages[-1].content
        if "d0" in text:
            return "1"  # for the place, in both orders: a tie
        return "1" if text.index("d2" if "d2" in text else "d4") < text.index("d3" if "d3" in text else "d5") else "2"

    weak, strong = ScriptedModel(lambda request: f"d{request.sample_index}"), ScriptedModel(vote)
    pair = Collaboration(weak, strong)
    found = synchronous.run(Rlaif(pair, ScoreBy(lambda *_: 1), samples=7, until_pair=True).annotate(EXAMPLES[0]))
    assert [comparison.preference for comparison in found.comparisons] == [0.5, 1.0]
    assert [len(each.requests) for each in (weak, strong)] == [4, 4]
    assert preferences.num_not_drawn(found, samples=7) == 2
    feedback(EXAMPLES[:3], weak=weak, strong=strong, out=tmp_path, kind="rlaif", drafts="until_pair", samples=7)
    summary = FeedbackSummary.read(tmp_path / "summary.json")
    assert (summary.num_pairs, summary.num_drafts, summary.num_drafts_not_drawn) == (3, 12, 6)
    assert summary.calls_saved["paired"] == 12
    assert len(list(read_rows(tmp_path / "graded.jsonl", ComparedExample, "compared example"))) == 3


def test_what_is_not_drawn_is_counted_shown_and_absent_where_all_are_made(tmp_path: Path) -> None:
    models: dict[str, Any] = {"weak": gambler("weak", 0.4), "strong": gambler("strong", 0.5)}
    changes: dict[str, Any]
    for drafts in ("all", "until_pair"):
        changes = {"judge": ScoreBy(right_or_wrong), "drafts": drafts, "null_control": 30, "skip_settled": False}
        feedback(EXAMPLES, out=tmp_path / drafts, **models, **changes)
    whole, until = (FeedbackSummary.read(tmp_path / drafts / "summary.json") for drafts in ("all", "until_pair"))
    assert whole.num_drafts_not_drawn is None
    assert "paired" not in whole.calls_saved
    assert until.num_drafts_not_drawn is not None
    assert until.num_drafts + until.num_drafts_not_drawn == whole.num_drafts == 150
    assert until.calls_saved["paired"] == 2 * until.num_drafts_not_drawn > 0
    assert sum(until.calls.values()) + until.calls_saved["paired"] == sum(whole.calls.values())
    # The control looks at the two drafts that each query has, whatever their signs.
    graded = [json.loads(line) for line in (tmp_path / "all/graded.jsonl").read_text().splitlines()]
    open_ = [row["drafts"][:2] for row in graded]
    share = sum(draft["gain"] > 0 for drafts in open_ for draft in drafts) / 60
    assert until.null_control is not None
    assert until.null_control.real_positive_rate is not None
    assert until.null_control.real_positive_rate.value == pytest.approx(share)


class FixedDrafts(Collaborative):
    """An annotator of a user, written before drafts could end with the first pair."""

    def __init__(self, collaboration: Collaboration, judge: Any, *, samples: int, skip_settled: bool) -> None:
        super().__init__(collaboration, judge, samples=samples, skip_settled=skip_settled)


@pytest.mark.parametrize("kind", ["solo", "rlwf", f"{__name__}:FixedDrafts"])
def test_kinds_that_cannot_draw_one_draft_after_the_other_refuse(kind: str, tmp_path: Path) -> None:
    weak, strong = gambler("weak", 0.4), gambler("strong", 0.5)
    with pytest.raises(InputError, match=r"feedback\.drafts until_pair .* feedback\.kind .* does not"):
        feedback(EXAMPLES, weak=weak, strong=strong, out=tmp_path, kind=kind, drafts="until_pair")
    assert not weak.requests + strong.requests


def test_one_draft_is_no_pair() -> None:
    with pytest.raises(ValueError, match=r"feedback\.samples is 1"):
        FeedbackConfig(drafts="until_pair", samples=1)
