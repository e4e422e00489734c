"""`evaluate.final_answer: ask`: one call more where a reply holds no answer, for every method, and in the plan."""

from pathlib import Path

import pytest

from cowest.collaboration import Collaboration
from cowest.methods import Setting, make_methods
from cowest.models.providers.scripted import ScriptedModel
from cowest.pipeline import Pipeline
from cowest.planning import make_plan
from cowest.recipe import make_recipe
from cowest.retrieval import Retriever
from cowest.stages.evaluate import evaluate
from cowest.types import ChatRequest, Completion
from tests.recipes import priced, recipe_of
from tests.worlds import Sums, sums

TASK = Sums(train="6", test="4")
METHODS = ["weak_only", "strong_only", "collaborate", "oracle", "self_refine", "super_icl", "skr", "flare"]
VAGUE = "I do not know; one would have to count"


def reply(request: ChatRequest) -> Completion:
    text = "Answer: 3" if is_follow_up(request) else VAGUE
    return Completion(text=text, finish_reason="stop", tokens=(text,), token_logprobs=(0.0,))


def is_follow_up(request: ChatRequest) -> bool:
    return "What was replied:" in request.messages[-1].content


def setting(requests: list[ChatRequest], corpus: str, *, asks: bool) -> Setting:
    def keep(request: ChatRequest) -> Completion:
        requests.append(request)
        return reply(request)

    model = ScriptedModel(keep, name="scripted/vague", identity="vague")
    return Setting(
        weak=dict.fromkeys(("base", "sft"), model),
        strong=model,
        collaborate=lambda weak: Collaboration(weak, model, asks_for_final_answer=asks),
        task=TASK,
        retriever=Retriever(corpus),
        unseen=lambda: sums(3),
        logprobs={"weak": True, "strong": True},
    )


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    file = tmp_path / "corpus.jsonl"
    file.write_text('{"text": "One plus two is three."}\n')
    return str(file)


def test_every_method_asks_once_where_its_reply_holds_no_answer(corpus: str) -> None:
    requests: list[ChatRequest] = []
    without = evaluate(TASK.test, make_methods(METHODS, setting([], corpus, asks=False))).methods
    rows = evaluate(TASK.test, make_methods(METHODS, setting(requests, corpus, asks=True))).methods
    assert set(rows) == set(without)
    for name, row in rows.items():
        assert (without[name].num_unparsed, row.num_unparsed) == (4, 0), name
        assert sum(row.calls.values()) == sum(without[name].calls.values()) + 4, name
        assert row.metrics["accuracy"].value == 0.25, name
    follow_ups = [request for request in requests if is_follow_up(request)]
    assert {request.sampling.temperature for request in follow_ups} == {0.0}
    assert all(VAGUE in request.messages[-1].content for request in follow_ups)


def test_a_reply_with_an_answer_is_not_followed_up(corpus: str) -> None:
    model = ScriptedModel(lambda _: "Answer: 3", name="scripted/sure", identity="sure")
    pair = Collaboration(model, model, asks_for_final_answer=True)
    assert evaluate(TASK.test, {"pair": pair}).methods["pair"].calls == {"weak": 4, "strong": 4}


def test_the_plan_counts_a_follow_up_for_every_reply_in_its_high_case(
    tmp_path: Path,
) -> None:
    def plan(final_answer: str) -> tuple[int, ...]:
        changes = {"evaluate__final_answer": final_answer, "evaluate__methods": ["strong_only"], "strong": priced()}
        found = make_plan(Pipeline(make_recipe(recipe_of(tmp_path / final_answer, **changes))))
        return tuple(case.stages["evaluate"]["strong"].calls for case in (found.low, found.high))

    assert plan("parse") == (24, 24)
    assert plan("ask") == (24, 48)
