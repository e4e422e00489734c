"""RLWF: the drafts are ranked by a reward, the best is paired with the worst, and the strong model is never asked."""

import math
from collections.abc import Sequence

import pytest

from cowest import preferences, synchronous
from cowest.annotators import load_annotator
from cowest.annotators.rlwf import Rlwf
from cowest.collaboration import Collaboration
from cowest.errors import CompletionError, InputError
from cowest.models.providers.scripted import ScriptedModel
from cowest.types import ChatRequest, ComparedExample, Message
from tests.worlds import ScoreBy, sums

EXAMPLE = sums(4)[3]
JUDGE = ScoreBy(lambda example, output: pytest.fail("the judge was asked"))


def draft(request: ChatRequest) -> str | Exception:
    return f"draft {request.sample_index}"


def annotate(
    rewards: dict[str, float], samples: int, reply: object = draft
) -> tuple[ComparedExample, ScriptedModel, ScriptedModel, list[tuple[str, list[str]]]]:
    weak, strong = ScriptedModel(reply), ScriptedModel(lambda request: "unused")  # type: ignore[arg-type]
    asked: list[tuple[str, list[str]]] = []

    def reward(prompt: Sequence[Message], texts: Sequence[str]) -> list[float]:
        asked.append((prompt[0].content, list(texts)))
        return [rewards.get(text, 0.0) for text in texts]

    annotator = load_annotator(
        "rlwf", Collaboration(weak, strong), JUDGE, samples=samples, skip_settled=True, reward=reward
    )
    found = synchronous.run(annotator.annotate(EXAMPLE))
    assert isinstance(found, ComparedExample)
    return found, weak, strong, asked


@pytest.mark.parametrize("samples", [2, 5])
def test_k_drafts_one_ranking_and_no_other_call(samples: int) -> None:
    compared, weak, strong, asked = annotate({"draft 1": 0.5}, samples)
    assert [request.sample_index for request in weak.requests] == list(range(samples))
    assert strong.requests == []
    ((prompt, texts),) = asked
    assert prompt == weak.requests[0].messages[0].content  # the very prompt that the drafts answer
    assert texts == [f"draft {index}" for index in range(samples)]
    assert compared.rewards[1] == 0.5


def test_the_best_is_set_against_the_worst() -> None:
    compared, *_ = annotate({"draft 0": 0.1, "draft 1": -0.4, "draft 2": 0.9, "draft 3": -0.4}, 5)
    (comparison,) = compared.comparisons
    assert (comparison.first, comparison.second) == (2, 1)  # of two that are equally bad the first
    assert comparison.preference == pytest.approx(1 / (1 + math.exp(-1.3)))
    (pair,) = preferences.pairs(compared, ())
    assert (pair.chosen[0].content, pair.rejected[0].content) == ("draft 2", "draft 1")


def test_equal_rewards_are_a_tie_and_give_nothing() -> None:
    compared, *_ = annotate({}, 5)
    assert compared.comparisons[0].preference == 0.5
    assert preferences.pairs(compared, ()) == []


def test_rewards_far_apart_do_not_overflow() -> None:
    compared, *_ = annotate({"draft 0": 5000.0, "draft 1": -5000.0}, 2)
    assert compared.comparisons[0].preference == 1.0


def test_drafts_that_cannot_be_had_are_left_out() -> None:
    def reply(request: ChatRequest) -> str | Exception:
        return draft(request) if request.sample_index in (1, 3) else CompletionError("no draft")

    compared, *_ = annotate({"draft 3": 1.0}, 4, reply)
    assert [each.sample_index for each in compared.drafts] == [1, 3]
    assert (compared.comparisons[0].first, compared.comparisons[0].second) == (3, 1)
    alone, *_ = annotate({}, 2, reply)
    assert alone.comparisons == ()
    with pytest.raises(CompletionError, match="no draft"):
        annotate({}, 1 + 1, lambda request: CompletionError("no draft"))


def test_it_needs_a_reward_and_two_drafts() -> None:
    pair = Collaboration(ScriptedModel(draft), ScriptedModel(draft))
    with pytest.raises(InputError, match="tuned before"):
        load_annotator("rlwf", pair, JUDGE, samples=5, skip_settled=True)
    with pytest.raises(InputError, match=r"feedback\.samples must be 2"):
        Rlwf(pair, JUDGE, samples=1, reward=lambda prompt, texts: [])
