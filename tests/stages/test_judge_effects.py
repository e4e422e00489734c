"""What a round of feedback says of its judge: agreement in a panel, and effects of length and order."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from cowest.export.cards import _judge_name
from cowest.pipeline import Pipeline
from cowest.planning import make_plan
from cowest.preferences import is_positive
from cowest.recipe import make_recipe
from cowest.records import FeedbackSummary, GradedExample, read_rows
from cowest.report.feedback import diagnostic_sentences
from cowest.stages._judge_effects import JudgedText, JudgeEffects, length_effect, order_effect, panel_agreement
from cowest.types import ChatRequest, Example, Verdict
from tests.recipes import recipe_of
from tests.worlds import chance, judge_reply

MEMBER = {"model": "scripted/tests.worlds:judge_reply"}
OTHER = {"model": "scripted/tests.stages.test_judge_effects:other_reply"}
COMPARING = {"model": "scripted/tests.stages.test_judge_effects:comparing_reply", "reference": "none"}


def other_reply(request: ChatRequest) -> str:
    """A judge that agrees with `judge_reply` about half of the outputs, and cannot judge every tenth."""
    text = request.messages[0].content
    luck = chance("other", text)
    return "?" if luck < 0.1 else judge_reply(request) if luck < 0.5 else str(1 + int(10 * chance("own", text)))


def comparing_reply(request: ChatRequest) -> str:
    """A judge that knows the right answer, and takes the first of two texts that are both right or both wrong."""
    text = request.messages[0].content
    number = int(text.partition("What is ")[2].split()[0])
    first, _, second = text.partition("<<<FIRST")[2].partition("<<<SECOND")
    right = [f"Answer: {2 * number + 1}\n" in part for part in (first, second)]
    return "2" if right == [False, True] else "1"


def feedback(folder: Path, **changes: Any) -> tuple[FeedbackSummary, dict[str, int], list[GradedExample]]:
    """A round of feedback: its summary, the paid calls, and its rows."""
    with Pipeline(
        make_recipe(recipe_of(folder, feedback={"samples": 4, "skip_settled": False}, **changes))
    ) as pipeline:
        pipeline.feedback(1)
        paid = pipeline.context.paid_calls()
    out = folder / "round-1/feedback"
    return (
        FeedbackSummary.read(out / "summary.json"),
        paid,
        list(read_rows(out / "graded.jsonl", GradedExample, "graded example")),
    )


def test_a_panel_asks_every_member_once_a_text_and_its_agreement_is_said(tmp_path: Path) -> None:
    changes = {"judge": {"panel": ["strong", MEMBER, OTHER]}, "strong": MEMBER}
    with pytest.raises(Exception, match="strong model twice"):
        make_recipe(recipe_of(tmp_path, **changes))
    changes = {"judge": {"panel": [OTHER, MEMBER]}}
    found, paid, rows = feedback(tmp_path / "run", **changes)
    roles = {"judge:tests.worlds:judge_reply", "judge:tests.stages.test_judge_effects:other_reply"}
    assert found.panel is not None
    assert {*found.panel.members} == roles == {*paid} - {"weak", "strong"}
    texts = {(row.example_id, text) for row in rows for text in (row.solo, *(each.refined for each in row.drafts))}
    assert paid["judge:tests.worlds:judge_reply"] == len(texts) + found.num_failed
    assert sum(member.num_unscored for member in found.panel.members.values()) > 0
    assert found.panel.alpha is not None
    assert 0.1 < found.panel.alpha < 0.9
    assert any(f"alpha {found.panel.alpha:.2f}" in sentence for sentence in diagnostic_sentences(found))
    # A member without a score leaves a panel of two without a majority that answers.
    unscored = [draft for row in rows for draft in row.drafts if None in (draft.verdict.members or {}).values()]
    assert unscored
    assert all(draft.gain is None for draft in unscored)
    again, paid_again, _ = feedback(tmp_path / "run", **changes)
    turned, paid_turned, _ = feedback(tmp_path / "run", judge={"panel": [MEMBER, OTHER]})
    assert again == turned == found
    assert paid == paid_again == paid_turned


def test_a_plan_counts_the_members_of_a_panel_and_both_orders_exactly(tmp_path: Path) -> None:
    for name, judge, each_text, each_solo in (
        ("panel", {"panel": ["strong", MEMBER, OTHER]}, 1, 1),
        ("pairwise", {"reference": "none"}, 2, 0),
        ("panel of comparisons", {"panel": ["strong", COMPARING | {"reference": "gold"}], "reference": "none"}, 2, 0),
    ):
        if name == "panel of comparisons":
            judge["panel"][1] = {"model": COMPARING["model"]}  # type: ignore[index]
        plan = make_plan(
            Pipeline(make_recipe(recipe_of(tmp_path / "run", judge=judge, feedback={"queries": 6, "samples": 5})))
        )
        calls = {role: spend.calls for role, spend in plan.high.stages["feedback, round 1"].items()}
        judges = {role: count for role, count in calls.items() if role.startswith("judge")}
        assert len(judges) == len(judge.get("panel", [1])), name  # type: ignore[arg-type]
        assert set(judges.values()) == {6 * (5 * each_text + each_solo)}, name


def unique(request: ChatRequest) -> str:
    """A strong model that never writes the same text twice."""
    luck = chance("unique", request.messages[0].content, request.sample_index)
    return f"Explanation: {luck}.\nAnswer: {-1 if luck < 0.5 else 1}"


def third_reply(request: ChatRequest) -> str:
    return str(1 + int(10 * chance("third", request.messages[0].content)))


@pytest.mark.parametrize(
    "judge",
    [{"panel": [MEMBER, {"model": MEMBER["model"].replace("tests.worlds:judge", f"{__name__}:third")}]}, COMPARING],
)
def test_what_is_planned_is_what_is_paid(tmp_path: Path, judge: dict[str, Any]) -> None:
    settings = {"queries": 5, "samples": 3, "skip_settled": False}
    strong = {"model": f"scripted/{__name__}:unique"}
    recipe = make_recipe(recipe_of(tmp_path / "run", judge=judge, strong=strong, feedback=settings))
    plan = make_plan(Pipeline(recipe)).high.stages["feedback, round 1"]
    with Pipeline(recipe) as pipeline:
        pipeline.feedback(1)
        assert pipeline.context.paid_calls() == {role: spend.calls for role, spend in plan.items()}


def test_without_references_both_orders_are_asked_once_and_a_split_vote_is_a_tie(tmp_path: Path) -> None:
    found, paid, rows = feedback(tmp_path / "run", judge=COMPARING)
    different = {
        (row.example_id, draft.refined)
        for row in rows
        for draft in row.drafts
        if draft.refined is not None and draft.refined.strip() != row.solo.strip()
    }
    assert paid["judge"] == found.calls["judge"] == 2 * len(different)
    assert {row.solo_verdict.compared for row in rows} == {0}
    for row in rows:
        for draft in row.drafts:
            votes = draft.verdict.votes
            assert draft.gain == (0 if votes is None else sum(votes) // 2)
            assert is_positive(draft) == (votes == (1, 1))
    order = found.order_effect
    assert order is not None
    assert order.concordance == 1.0
    assert 0 < order.num_split < order.num_comparisons == len(different)
    assert order.first_share.value == pytest.approx(0.5 + order.num_split / order.num_comparisons / 2)
    assert found.num_pairs > 0
    assert found.judge_agreement is None


def test_a_single_judge_writes_the_rows_that_it_always_wrote(tmp_path: Path) -> None:
    feedback(tmp_path / "run", judge=MEMBER)
    row = json.loads((tmp_path / "run/round-1/feedback/graded.jsonl").read_text().splitlines()[0])
    assert {*row["solo_verdict"]} == {*row["drafts"][0]["verdict"]} == {"score", "unscored_reason"}
    assert json.loads((tmp_path / "run/round-1/feedback/inputs.json").read_text())["judge"].keys() == {
        *("model", "base_url", "sampling", "repeats")
    }


def test_the_card_of_an_export_names_the_members_of_a_panel() -> None:
    recipe = {"strong": {"model": "openai/s"}, "judge": {"panel": ["strong", {"model": "local//home/me/judge"}]}}
    name = _judge_name(recipe | {"judge": recipe["judge"] | {"reference": "none"}})  # type: ignore[dict-item,operator]
    assert "the strong model itself (openai/s)" in name
    assert "without references" in name
    assert "/home/me" not in name
    assert "without references" not in _judge_name(recipe)
    assert "openai/s" in _judge_name({"strong": {"model": "openai/s"}, "judge": {"reference": "none"}})


def text(query: str, score: int, length: int, metric: float | None = None) -> JudgedText:
    return JudgedText(query, length, Verdict(score=score), metric)


def test_the_effect_of_length_is_within_queries_and_beside_the_metric() -> None:
    # Longer answers are for the query that is judged better; within a query length does nothing.
    across = [text("a", 1, 10), text("a", 3, 10), text("b", 8, 900), text("b", 10, 900)]
    assert length_effect(across, has_metric=False).within_query is None  # type: ignore[union-attr]
    # The right answer is the longer one: length explains nothing beyond that.
    right = [text("a", 1, 10, 0.0), text("a", 1, 20, 0.0), text("a", 10, 500, 1.0), text("a", 10, 600, 1.0)]
    effect = length_effect(right, has_metric=True)
    assert effect is not None
    assert effect.within_query is not None
    assert effect.within_query > 0.9
    assert effect.at_equal_metric is None
    longer = [text(query, 2 * power, 10**power, 0.0) for query in "ab" for power in (1, 2, 3)]
    effect = length_effect(longer, has_metric=True)
    assert effect is not None
    assert effect.within_query == pytest.approx(1.0, abs=0.01)
    assert effect.at_equal_metric == pytest.approx(effect.within_query)
    assert length_effect([text("a", 1, 10), text("b", 10, 900)], has_metric=False) is None


def test_a_preference_for_the_first_text_shows() -> None:
    always_first = [JudgedText(query, 1, Verdict(compared=0, votes=(1, -1))) for query in "abcdefgh"]
    effect = order_effect(always_first, has_metric=False)
    assert effect is not None
    assert (effect.first_share.value, effect.num_split, effect.concordance) == (1.0, 8, None)
    assert order_effect([text("a", 1, 1)], has_metric=False) is None


def test_the_tie_of_z_with_itself_is_no_agreement() -> None:
    z = Verdict(compared=0, members={"a": 0, "b": 0})
    opposite = [Verdict(compared=-1, members={"a": sign, "b": -sign}, votes=(1, 1, -1, -1)) for sign in (1, -1)]
    assert panel_agreement([z] * 50 + opposite) == panel_agreement(opposite)
    assert panel_agreement([Verdict(score=3)]) is None


def test_of_a_million_texts_a_few_bytes_each_are_kept() -> None:
    example = Example(id="a", query="?", references=("b",))
    row = GradedExample(example_id="a", query="?", solo="z", solo_verdict=Verdict(score=3), drafts=())
    effects = JudgeEffects(None)
    effects.add(example, row)
    tracemalloc.start()
    for number in range(2000):
        effects.add(example, row.model_copy(update={"example_id": f"example {number}"}))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 64 * 2000
