"""FLARE: its prompts, both thresholds at their edges, what it retrieves with, when it stops, and what it calls."""

from pathlib import Path
from typing import Any

import pytest

from cowest import synchronous
from cowest.errors import CompletionError, InputError
from cowest.methods import Method, MethodOptions, make_methods
from cowest.methods.flare import first_sentence
from cowest.models.providers.scripted import ScriptedModel
from cowest.retrieval import Passage, Retriever
from cowest.types import Completion, Prediction, Sampling
from tests.methods.quiz import Quiz, asked, corpus, predictions, said, setting

TASK = Quiz(test=[("How fast is a snail?", "slow")])
FORM = """\
How fast is a snail?

Explain your reasoning and then give the final result. The whole reply has exactly this form:
Explanation: <your reasoning about the question, in a single paragraph>
Answer: <the result alone, in as few words as it takes>
"""
FIRST = f"""\
Passages that may help:
[1] A snail is slow.

{FORM}
Begin the reply now."""
AGAIN = f"""\
Passages that may help:
[1] Feet are rare.

{FORM}
Begin the reply now."""
SECOND = f"""\
Passages that may help:
[1] Feet are rare.

{FORM}
The reply so far:
Explanation: It has one foot.

Go on exactly where it stops. Write only what comes next, and repeat nothing."""


class Remembering(Retriever):
    """Finds another passage for every search, and remembers what was searched."""

    def __init__(self) -> None:
        self.queries: list[str] = []

    @property
    def passages(self) -> list[Passage]:  # type: ignore[override]
        return [Passage("1", "p")]

    def search(self, query: str) -> list[Passage]:
        self.queries.append(query)
        return [Passage(str(len(self.queries)), "p")]


def flare(
    *replies: Completion, retriever: Retriever | None = None, sampling: Sampling | None = None, **options: Any
) -> tuple[Method, ScriptedModel]:
    strong = ScriptedModel(list(replies))
    whole = setting(
        TASK,
        strong=strong,
        retriever=retriever or Remembering(),
        options=MethodOptions.model_validate({"flare": options}),
        strong_sampling=sampling or Sampling(),
    )
    (method,) = make_methods(["flare"], whole)
    return method, strong


def run(method: Method) -> Prediction:
    return synchronous.run(predictions(method, TASK.test))[0]


def test_the_prompts_are_these(tmp_path: Path) -> None:
    method, strong = flare(
        said("Explanation: It has two feet. It hurries.", 1.0, 1.0, 1.0, 0.5, 0.6, 1.0),
        said("Explanation: It has one foot.\nAnswer: slow", 0.1),
        said("Answer: slow", 0.9),
        retriever=corpus(tmp_path, "A snail is slow.", "Feet are rare.", top_k=1),
    )
    prediction = run(method)
    assert asked(strong) == [FIRST, AGAIN, SECOND]
    assert prediction.output == "Explanation: It has one foot.\nAnswer: slow"
    assert (prediction.answer, prediction.correct, prediction.calls) == ("slow", 1.0, {"strong": 3})
    assert [request.sampling.max_tokens for request in strong.requests] == [64, 64, 64]


@pytest.mark.parametrize(("probability", "num_calls"), [(0.81, 1), (0.8, 2), (0.79, 2)])
def test_a_sentence_stands_only_if_every_token_is_above_the_threshold(probability: float, num_calls: int) -> None:
    method, strong = flare(said("Answer: slow", 1.0, probability), said("Answer: fast", 0.1))
    assert run(method).calls == {"strong": num_calls} == {"strong": len(strong.requests)}


@pytest.mark.parametrize(
    ("probability", "query"), [(0.39, "Answer: snail"), (0.4, "Answer: snail"), (0.41, "Answer: slow snail")]
)
def test_unlikely_tokens_are_left_out_of_the_query(probability: float, query: str) -> None:
    retriever = Remembering()
    method, _ = flare(said("Answer: slow snail", 0.9, probability, 0.5), said("Answer: slow"), retriever=retriever)
    run(method)
    assert retriever.queries == ["How fast is a snail?", query]


def test_where_nothing_is_left_of_a_sentence_there_is_nothing_to_search_for() -> None:
    retriever = Remembering()
    method, _ = flare(said("Answer: slow", 0.2), retriever=retriever)
    assert run(method).calls == {"strong": 1}
    assert retriever.queries == ["How fast is a snail?"]


def test_the_decision_is_made_at_temperature_0_and_the_new_sentence_is_sampled_as_replies_are() -> None:
    replies = said("Snails hurry. So.", 0.5), said("Snails creep. So.", 0.5), said("Answer: slow", 0.9)
    method, strong = flare(*replies, sampling=Sampling(temperature=0.7, top_p=0.9))
    assert run(method).output == "Snails creep. Answer: slow"
    assert [request.sampling.temperature for request in strong.requests] == [0.0, 0.7, 0.0]
    assert [request.sampling.top_p for request in strong.requests] == [0.9] * 3


def test_the_same_passages_are_not_asked_with_again(tmp_path: Path) -> None:
    method, strong = flare(said("Answer: slow", 0.5), retriever=corpus(tmp_path, "A slow snail."))
    assert run(method).calls == {"strong": 1}
    assert len(strong.requests) == 1


def test_later_sentences_do_not_count() -> None:
    retriever = Remembering()
    method, strong = flare(
        said("Explanation: Snails creep. They hurry.", 0.9, 0.9, 0.9, 0.1), said("Answer: slow"), retriever=retriever
    )
    assert run(method).output == "Explanation: Snails creep. Answer: slow"
    assert len(strong.requests) == 2
    assert len(retriever.queries) == 1


def test_a_blank_line_ends_the_reply() -> None:
    method, strong = flare(said("Answer: slow\n\nQuery: what next?", finish_reason="length"))
    assert run(method).output == "Answer: slow"
    assert len(strong.requests) == 1


def test_a_reply_without_text_ends_the_answer_and_refuses_nothing() -> None:
    nothing = Completion(text="", finish_reason="stop")
    method, strong = flare(said("Explanation: slow. Or not.", 0.9), nothing, said("Answer: slow"))
    assert run(method).output == "Explanation: slow."
    assert run(method).output == "Answer: slow"
    assert len(strong.requests) == 3


def test_a_reply_that_was_cut_goes_on() -> None:
    method, strong = flare(
        said("Explanation: snails", finish_reason="length"), said(" creep.\nAnswer: slow"), said("Answer: slow")
    )
    assert run(method).output == "Explanation: snails creep.\nAnswer: slow"
    assert len(strong.requests) == 3


@pytest.mark.parametrize(("max_tokens", "limits"), [(4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])])
def test_it_stops_at_its_limit_of_tokens(max_tokens: int, limits: list[int]) -> None:
    replies = [said(" ".join(["the"] * limit), finish_reason="length") for limit in limits]
    method, strong = flare(*replies, ahead_tokens=3, max_tokens=max_tokens)
    prediction = run(method)
    assert [request.sampling.max_tokens for request in strong.requests] == limits
    assert prediction.output.split() == ["the"] * max_tokens
    assert prediction.answer is None


@pytest.mark.parametrize(
    ("limit", "options", "limits"),
    [
        (100, {}, [64, 36]),  # that of every other row
        (100, {"max_tokens": 70}, [64, 6]),
        (None, {"max_tokens": 70}, [64, 6]),
        (None, {}, [64] * 16),  # 1,024 where no row has one
    ],
)
def test_its_limit_of_tokens_is_that_of_the_strong_models_replies(
    limit: int | None, options: dict[str, int], limits: list[int]
) -> None:
    replies = [said(" ".join(["so"] * length), finish_reason="length") for length in limits]
    method, strong = flare(*replies, sampling=Sampling(max_tokens=limit), **options)
    assert len(run(method).output.split()) == sum(limits)
    assert [request.sampling.max_tokens for request in strong.requests] == limits


def test_the_papers_values() -> None:
    options = MethodOptions().flare
    assert (options.sure_above, options.masked_up_to, options.ahead_tokens) == (0.8, 0.4, 64)


@pytest.mark.parametrize(
    ("text", "finish_reason", "sentence", "is_last"),
    [
        ("One. Two.", "stop", "One. ", False),
        ("It is 3.5 mg. Two.", "stop", "It is 3.5 mg. ", False),
        ('He said "no." Then', "length", 'He said "no." ', False),
        ("One\nTwo", "stop", "One\n", False),
        ("One.", "stop", "One.", True),
        ("One.\n", "stop", "One.\n", True),
        ("One.", "length", "One.", False),
        ("\n\nOne.\n\nTwo.", "length", "\n\nOne.", True),
        ("One. Two.\n\nThree.", "stop", "One. ", False),
        ("  ", "length", "  ", True),
    ],
)
def test_the_first_sentence(text: str, finish_reason: str, sentence: str, is_last: bool) -> None:
    found = first_sentence(said(text, finish_reason=finish_reason))
    assert (found.text, found.is_last) == (sentence, is_last)
    assert "".join(token.text for token in found.tokens).strip() == sentence.strip()


def test_without_log_probabilities_it_refuses_and_guesses_nothing() -> None:
    known = setting(TASK, retriever=Remembering(), logprobs={"strong": False})
    with pytest.raises(InputError, match=r"strong\.options: \{logprobs: true\}"):
        make_methods(["flare"], known)
    method, strong = flare(Completion(text="Answer: slow", finish_reason="stop"))
    for _ in range(2):
        with pytest.raises(CompletionError, match="gave no log-probabilities"):
            synchronous.run(method.predict(TASK.test[0]))
    assert len(strong.requests) == 1  # the second is refused before it is paid


def test_without_a_corpus_it_refuses() -> None:
    with pytest.raises(InputError, match="flare retrieves, but the recipe names no corpus"):
        make_methods(["flare"], setting(TASK))
