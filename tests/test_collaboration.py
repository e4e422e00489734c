"""The one place where the two models meet."""

import cowest
from cowest import synchronous
from cowest.collaboration import Collaboration
from cowest.models.providers.scripted import ScriptedModel
from cowest.prompts import Prompts
from cowest.types import Sampling


def test_draft_then_refine_then_answer() -> None:
    weak = ScriptedModel(["Explanation: w\nAnswer: 3"])
    strong = ScriptedModel(["Explanation: s\nAnswer: 4"])
    exchange = synchronous.run(Collaboration(weak, strong).exchange("How many?"))
    assert exchange.draft.text == "Explanation: w\nAnswer: 3"
    assert exchange.answer.final == "4"
    asked = strong.requests[0].messages[-1].content
    assert "How many?" in asked
    assert exchange.draft.text in asked


def test_requests_carry_sampling_index_and_prompt_version() -> None:
    weak, strong = ScriptedModel(lambda _: "d"), ScriptedModel(lambda _: "s")
    greedy = Sampling(temperature=0.0, max_tokens=9)
    pair = Collaboration(weak, strong, format="direct_answer", weak_sampling=greedy)
    synchronous.run(pair.exchange("q", sample_index=3))
    assert weak.requests[0].sampling == greedy
    assert (weak.requests[0].sample_index, strong.requests[0].sample_index) == (3, 3)
    assert weak.requests[0].prompt_version == Prompts().version("draft_direct_answer")
    assert strong.requests[0].prompt_version == Prompts().version("refine")


def test_the_public_face_answers_in_one_line() -> None:
    pair = cowest.Collaboration(ScriptedModel(lambda _: "d"), ScriptedModel(lambda _: "Answer: Paris."))
    assert pair.answer("Capital of France?") == "Paris"
    pair = cowest.Collaboration(ScriptedModel(lambda _: "d"), ScriptedModel(lambda _: "It is Paris"))
    assert pair.answer("Capital of France?") == "It is Paris"


def test_models_are_opened_by_name() -> None:
    name = "scripted/tests.worlds:strong_reply"
    assert cowest.Collaboration(name, name).answer("What is 1 plus 2?") in ("3", "-1")
