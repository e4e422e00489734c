"""Algorithm 1 lines 8 to 20 for both kinds that grade against z."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowest import preferences, synchronous
from cowest.annotators import BaseAnnotator, load_annotator
from cowest.annotators.base import AgainstSolo
from cowest.annotators.collaborative import Collaborative
from cowest.annotators.individual import Individual
from cowest.collaboration import Collaboration
from cowest.errors import CompletionError, InputError
from cowest.judge import Judge
from cowest.models.providers.scripted import ScriptedModel
from cowest.types import ChatRequest, ComparedExample, Example, GradedExample
from tests.worlds import ScoreBy, chance, sums

EXAMPLE = sums(4)[3]


def pair() -> tuple[Collaboration, ScriptedModel, ScriptedModel]:
    """A weak and a strong model that say what they were asked, so that a test sees who saw what."""
    weak = ScriptedModel(lambda request: f"draft {request.sample_index}")

    def strong_reply(request: ChatRequest) -> str:
        text = request.messages[-1].content
        return f"refined {request.sample_index}" if "draft" in text else "solo"

    strong = ScriptedModel(strong_reply)
    return Collaboration(weak, strong), weak, strong


def annotate(
    kind: type[AgainstSolo], scores: dict[str, int | None], *, samples: int = 5, skip: bool = False
) -> tuple[GradedExample, ScriptedModel, ScriptedModel, ScoreBy]:
    collaboration, weak, strong = pair()
    judge = ScoreBy(lambda _, output: scores.get(output, 1))
    graded = synchronous.run(kind(collaboration, judge, samples=samples, skip_settled=skip).annotate(EXAMPLE))
    return graded, weak, strong, judge


def test_collaborative_grades_what_the_strong_model_makes_of_each_draft() -> None:
    scores = {"solo": 4, "refined 0": 10, "refined 1": 4, "refined 2": 3, "refined 3": 5, "refined 4": None}
    graded, weak, strong, judge = annotate(Collaborative, scores)
    assert graded.solo == "solo"
    assert graded.solo_verdict.score == 4
    assert [draft.draft.text for draft in graded.drafts] == [f"draft {index}" for index in range(5)]
    assert [draft.refined for draft in graded.drafts] == [f"refined {index}" for index in range(5)]
    assert [draft.gain for draft in graded.drafts] == [6, 0, -1, 1, None]
    assert [preferences.is_positive(draft) for draft in graded.drafts] == [True, False, False, True, False]
    assert len(weak.requests) == 5
    assert len(strong.requests) == 6
    assert len(judge.calls) == 6


def test_the_strong_model_sees_query_before_draft_and_alone_sees_no_draft() -> None:
    _, weak, strong, _ = annotate(Collaborative, {"solo": 1})
    solo, *refinements = [request.messages[-1].content for request in strong.requests]
    assert EXAMPLE.query in solo
    assert "draft" not in solo
    for index, text in enumerate(refinements):
        assert 0 <= text.index(EXAMPLE.query) < text.index(f"draft {index}") < text.index("Explanation:")
    assert all(EXAMPLE.query in request.messages[-1].content for request in weak.requests)


def test_the_papers_sampling_is_the_default() -> None:
    _, weak, strong, _ = annotate(Collaborative, {"solo": 1})
    assert {(r.sampling.temperature, r.sampling.top_p, r.sampling.max_tokens) for r in weak.requests} == {
        (1.0, 0.9, 1028)
    }
    assert {(r.sampling.temperature, r.sampling.top_p, r.sampling.max_tokens) for r in strong.requests} == {
        (1.0, None, None)
    }


def test_no_reference_reaches_either_model() -> None:
    example = Example(id="e", query="Which one?", references=("CANARY-ANSWER",), explanation="CANARY-REASON")
    collaboration, weak, strong = pair()
    annotator = Collaborative(collaboration, ScoreBy(lambda _, __: 3), samples=3)
    synchronous.run(annotator.annotate(example))
    asked = "".join(message.content for r in (*weak.requests, *strong.requests) for message in r.messages)
    assert "CANARY" not in asked


def test_individual_grades_the_draft_and_never_refines() -> None:
    scores = {"solo": 4, "draft 0": 10, "draft 1": 4}
    graded, _, strong, judge = annotate(Individual, scores)
    assert [draft.gain for draft in graded.drafts] == [6, 0, -3, -3, -3]
    assert all(draft.refined is None for draft in graded.drafts)
    assert len(strong.requests) == 1
    assert [output for _, output in judge.calls] == ["solo", *(f"draft {index}" for index in range(5))]


@pytest.mark.parametrize("kind", [Collaborative, Individual])
def test_an_unscored_solo_stops_the_example(kind: type[AgainstSolo]) -> None:
    graded, weak, _, _ = annotate(kind, {"solo": None})
    assert graded.solo_verdict.score is None
    assert graded.drafts == ()
    assert weak.requests == []


def test_a_perfect_solo_costs_no_draft() -> None:
    graded, weak, strong, _ = annotate(Collaborative, {"solo": 10}, skip=True)
    assert graded.skipped == "solo_perfect"
    assert weak.requests == []
    assert len(strong.requests) == 1
    unskipped, *_ = annotate(Collaborative, {"solo": 10}, skip=False)
    assert preferences.pairs(unskipped, ()) == preferences.pairs(graded, ()) == []


def test_a_settled_query_stops_early() -> None:
    scores = {"solo": 4, "refined 0": 10, "refined 1": 1, "refined 2": 10, "refined 3": 1}
    graded, weak, _, _ = annotate(Collaborative, scores, skip=True)
    assert graded.skipped == "settled"
    assert len(weak.requests) == 4


def test_a_refusal_of_the_strong_model_leaves_the_draft_unscored() -> None:
    weak = ScriptedModel(lambda request: f"draft {request.sample_index}")

    def strong_reply(request: ChatRequest) -> str | Exception:
        return CompletionError("refused") if request.sample_index == 1 else "Answer: 7"

    collaboration = Collaboration(weak, ScriptedModel(strong_reply))
    graded = synchronous.run(Collaborative(collaboration, ScoreBy(lambda _, __: 3), samples=3).annotate(EXAMPLE))
    assert [draft.gain for draft in graded.drafts] == [0, None, 0]
    assert graded.drafts[1].verdict.unscored_reason == "refused"


@settings(max_examples=60, deadline=None)
@given(world=st.integers(0, 10_000), samples=st.integers(1, 8), saturated=st.sampled_from([0.0, 0.5]))
def test_skipping_settled_queries_never_changes_a_pair(world: int, samples: int, saturated: float) -> None:
    def score(_: Example, output: str) -> int | None:
        luck = chance(world, output)
        if output == "solo" and luck < saturated:
            return 10
        return None if luck > 0.93 else 1 + int(9 * luck)

    found = []
    for skip in (True, False):
        collaboration, weak, _ = pair()
        annotator = Collaborative(collaboration, ScoreBy(score), samples=samples, skip_settled=skip)
        found.append((preferences.pairs(synchronous.run(annotator.annotate(EXAMPLE)), ()), len(weak.requests)))
    (pairs_skipped, calls_skipped), (pairs_whole, calls_whole) = found
    assert pairs_skipped == pairs_whole
    assert calls_skipped <= calls_whole


def test_an_unknown_kind_names_the_choices() -> None:
    collaboration, *_ = pair()
    with pytest.raises(InputError, match=r"Did you mean 'collaborative'.*individual"):
        load_annotator("colaborative", collaboration, ScoreBy(lambda _, __: 1), samples=5, skip_settled=True)


class Plain:
    """No more than the protocol asks for."""

    name = "plain"

    def __init__(self, collaboration: Collaboration, judge: Judge, *, samples: int, skip_settled: bool) -> None:
        self.samples = samples

    async def annotate(self, example: Example) -> ComparedExample:
        return ComparedExample(example_id=example.id, query=example.query, drafts=(), comparisons=())


def test_an_annotator_without_the_base_class_gets_the_defaults() -> None:
    collaboration, *_ = pair()
    annotator = load_annotator(
        f"{__name__}:Plain", collaboration, ScoreBy(lambda _, __: 1), samples=5, skip_settled=True
    )
    assert isinstance(annotator, BaseAnnotator)
    assert (annotator.name, annotator.num_calls_per_draft) == ("plain", 2)
    assert synchronous.run(annotator.annotate(EXAMPLE)).example_id == EXAMPLE.id
    collaborative, individual = (
        load_annotator(kind, collaboration, ScoreBy(lambda _, __: 1), samples=5, skip_settled=True)
        for kind in ("collaborative", "individual")
    )
    assert (collaborative.num_calls_per_draft, individual.num_calls_per_draft) == (2, 1)
