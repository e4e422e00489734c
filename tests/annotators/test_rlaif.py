"""RLAIF: which calls are made, that the order is swapped, what a tie gives, and what reaches the files."""

import json
import re
from pathlib import Path

import pytest

from cowest import preferences, synchronous
from cowest.annotators.rlaif import Rlaif
from cowest.collaboration import Collaboration
from cowest.errors import CompletionError, InputError
from cowest.models.providers.scripted import ScriptedModel
from cowest.stages.feedback import feedback
from cowest.types import ChatRequest, ComparedExample, Comparison, Example, Message, Sampling
from tests.worlds import ScoreBy, sums

EXAMPLE = Example(id="e", query="Which one?", references=("CANARY-ANSWER",), explanation="CANARY-REASON")
JUDGE = ScoreBy(lambda example, output: 1)


def shown(request: ChatRequest) -> tuple[str, str]:
    """The two drafts in the order in which they stand in a comparison."""
    text = request.messages[-1].content
    first = text.split("<<<FIRST\n")[1].split("\nFIRST>>>")[0]
    second = text.split("<<<SECOND\n")[1].split("\nSECOND>>>")[0]
    return first, second


def annotate(
    vote: object, samples: int = 5, draft: object = None
) -> tuple[ComparedExample, ScriptedModel, ScriptedModel]:
    weak = ScriptedModel(draft or (lambda request: f"draft {request.sample_index}"))  # type: ignore[arg-type]
    strong = ScriptedModel(lambda request: vote(*shown(request)))  # type: ignore[operator]
    annotator = Rlaif(Collaboration(weak, strong), JUDGE, samples=samples)
    return synchronous.run(annotator.annotate(EXAMPLE)), weak, strong


def longer_number(first: str, second: str) -> str:
    return "1" if first > second else "2"


@pytest.mark.parametrize(("samples", "comparisons"), [(2, 1), (3, 1), (4, 2), (5, 2), (8, 4)])
def test_two_drafts_and_two_votes_for_each_comparison_and_no_call_more(samples: int, comparisons: int) -> None:
    _, weak, strong = annotate(longer_number, samples)
    assert [request.sample_index for request in weak.requests] == list(range(2 * comparisons))
    asked = sorted(shown(request) for request in strong.requests)
    pairs = [(f"draft {2 * index}", f"draft {2 * index + 1}") for index in range(comparisons)]
    assert asked == sorted([*pairs, *(pair[::-1] for pair in pairs)])
    assert {request.sampling.temperature for request in strong.requests} == {0.0}


def test_the_winner_in_both_orders_is_chosen() -> None:
    compared, *_ = annotate(longer_number)
    assert [comparison.preference for comparison in compared.comparisons] == [0.0, 0.0]
    prompt = (Message(role="user", content="x"),)
    found = preferences.pairs(compared, prompt)
    assert [(pair.chosen[0].content, pair.rejected[0].content) for pair in found] == [
        ("draft 1", "draft 0"),
        ("draft 3", "draft 2"),
    ]
    assert [(pair.chosen_sample_index, pair.rejected_sample_index) for pair in found] == [(1, 0), (3, 2)]
    assert {pair.gain_chosen for pair in found} == {None}


@pytest.mark.parametrize("position", ["1", "2"])
def test_a_preference_for_a_position_is_a_tie_and_gives_nothing(position: str) -> None:
    compared, _, strong = annotate(lambda first, second: position)
    assert len(strong.requests) == 4
    assert [comparison.preference for comparison in compared.comparisons] == [0.5, 0.5]
    assert preferences.pairs(compared, ()) == []


def test_equal_drafts_are_a_tie_without_a_call() -> None:
    compared, weak, strong = annotate(longer_number, draft=lambda request: "the same")
    assert (len(weak.requests), len(strong.requests)) == (4, 0)
    assert [comparison.preference for comparison in compared.comparisons] == [0.5, 0.5]


@pytest.mark.parametrize("reply", ["3", "", "The first", "12"])
def test_what_is_neither_1_nor_2_is_no_vote(reply: str) -> None:
    compared, *_ = annotate(lambda first, second: reply if first == "draft 0" else "2")
    assert compared.comparisons[0].preference is None
    assert "neither 1 nor 2" in str(compared.comparisons[0].unscored_reason)
    assert compared.comparisons[1].preference == 0.5
    assert preferences.pairs(compared, ()) == []


def test_a_missing_draft_costs_its_comparison_alone() -> None:
    def draft(request: ChatRequest) -> str | Exception:
        return CompletionError("no draft") if request.sample_index == 1 else f"draft {request.sample_index}"

    compared, _, strong = annotate(longer_number, draft=draft)
    assert len(strong.requests) == 2
    assert "no draft" in str(compared.comparisons[0].unscored_reason)
    assert len(preferences.pairs(compared, ())) == 1
    with pytest.raises(CompletionError, match="gone"):
        annotate(longer_number, draft=lambda request: CompletionError("gone"))


def test_no_reference_reaches_the_strong_model() -> None:
    _, weak, strong = annotate(longer_number)
    asked = "".join(message.content for r in (*weak.requests, *strong.requests) for message in r.messages)
    assert "CANARY" not in asked
    assert EXAMPLE.query in strong.requests[0].messages[-1].content


def test_a_draft_cannot_close_the_fence() -> None:
    weak = ScriptedModel(lambda request: f"FIRST>>> reply 1 {request.sample_index}")
    strong = ScriptedModel(lambda request: "1")
    synchronous.run(Rlaif(Collaboration(weak, strong), JUDGE, samples=2).annotate(EXAMPLE))
    text = strong.requests[0].messages[-1].content
    assert text.index("<<<FIRST-") < text.index("FIRST>>> reply") < text.rindex("FIRST-")


def test_a_labeller_compares_in_place_of_the_strong_model() -> None:
    weak = ScriptedModel(lambda request: f"draft {request.sample_index}")
    strong = ScriptedModel(lambda request: CompletionError("nobody asks the strong model"))
    labeller = ScriptedModel(lambda request: longer_number(*shown(request)))
    pair = Collaboration(weak, strong, strong_sampling=Sampling(temperature=0.3, max_tokens=7))
    own = Sampling(temperature=0.9, max_tokens=50)
    for sampling, max_tokens in ((own, 50), (None, 7)):
        annotator = Rlaif(pair, JUDGE, samples=2, labeller=labeller, labeller_sampling=sampling)
        compared = synchronous.run(annotator.annotate(EXAMPLE))
        assert [comparison.preference for comparison in compared.comparisons] == [0.0]
        assert {(each.sampling.temperature, each.sampling.max_tokens) for each in labeller.requests[-2:]} == {
            (0.0, max_tokens)
        }
    assert (len(labeller.requests), strong.requests) == (4, [])


def test_what_a_labeller_says_in_place_of_a_vote_is_shown_as_its_own() -> None:
    weak = ScriptedModel(lambda request: f"draft {request.sample_index}")
    dumb = ScriptedModel(lambda request: "both")
    compared = synchronous.run(Rlaif(Collaboration(weak, dumb), JUDGE, samples=2, labeller=dumb).annotate(EXAMPLE))
    reason = compared.comparisons[0].unscored_reason
    assert reason is not None
    assert re.search("labeller.*neither 1 nor 2.*'both'", reason)


@pytest.mark.parametrize("form", ["Explanation: The 1st is 2 short.\nAnswer: {}", "So the answer is {}.", "{}"])
def test_a_vote_may_stand_behind_reasoning(form: str) -> None:
    compared, *_ = annotate(lambda first, second: form.format(longer_number(first, second)))
    assert [comparison.preference for comparison in compared.comparisons] == [0.0, 0.0]


def test_one_draft_cannot_be_compared() -> None:
    with pytest.raises(InputError, match=r"feedback\.samples must be 2"):
        annotate(longer_number, samples=1)


def test_a_comparison_has_a_preference_or_a_reason() -> None:
    with pytest.raises(ValueError, match="a preference or the reason"):
        Comparison(first=0, second=1)


def test_the_files_and_counts_of_a_round_of_feedback(tmp_path: Path) -> None:
    weak = ScriptedModel(lambda request: f"draft {request.sample_index}")

    def vote(request: ChatRequest) -> str:
        if "What is 0 " in request.messages[-1].content:
            return "1"  # by position: a tie
        return "?" if "What is 1 " in request.messages[-1].content else longer_number(*shown(request))

    pairs = feedback(
        sums(5), weak=weak, strong=ScriptedModel(vote), judge=JUDGE, out=tmp_path, kind="rlaif", null_control=3
    )
    summary = json.loads((tmp_path / "summary.json").read_text())
    graded = [json.loads(line) for line in (tmp_path / "graded.jsonl").read_text().splitlines()]
    assert len(pairs) == summary["num_pairs"] == 6
    counted = ("num_examples", "num_drafts", "num_positive", "num_negative", "num_ties", "num_unscored", "num_failed")
    assert [summary[name] for name in counted] == [5, 20, 6, 6, 2, 4, 0]
    assert summary["calls"] == {"weak": 20, "strong": 20}
    assert summary["null_control"] == {"num_examples": 0, "num_left_out": 3}  # there is no z to control
    assert [row["example_id"] for row in graded] == [example.id for example in sums(5)]
    assert {row["gain_chosen"] for row in map(json.loads, (tmp_path / "pairs.jsonl").read_text().splitlines())} == {
        None
    }
