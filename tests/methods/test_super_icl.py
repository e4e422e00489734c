"""SuperICL: its prompts, its confidences, that no demonstration is of the example itself, and what it calls."""

from typing import Any

import pytest

from cowest import synchronous
from cowest.errors import CompletionError, CowestError, InputError
from cowest.methods import Method, MethodOptions, Prepared, make_methods
from cowest.models.providers.scripted import ScriptedModel
from cowest.stages.evaluate import evaluate
from cowest.types import Completion
from tests.methods.quiz import Colours, Quiz, Rows, asked, by_prompt, predictions, said, setting, text_of

TASK = Quiz(test=[("How fast is a snail?", "slow")])
UNSEEN = Quiz(train=[("How loud is a snail?", "mute")]).train
PROMPT = """\
A small model that was trained for this kind of query predicts an answer and says how confident it is. It may be right \
or wrong.

Query: How loud is a snail?
Prediction of the small model: very loud (confidence: 0.60)
Right answer: mute

Query: How fast is a snail?
Prediction of the small model: very loud (confidence: 0.60)

Reply in exactly this form and add nothing else:
Answer: <the right answer alone, in as few words as it takes>"""
WHY = """\
A small model that was trained for this kind of query predicted an answer, and you gave another one.

Query: How fast is a snail?
Prediction of the small model: very loud (confidence: 0.60)
Your answer: slow

Explain in one paragraph why the small model's prediction was not followed."""
LOUD = said("Explanation: loud.\nAnswer: very loud", 0.1, 0.1, 0.1, 0.9, 0.4)


def super_icl(
    task: Quiz = TASK, unseen: Any = UNSEEN, weak: Any = LOUD, strong: Any = "Answer: slow", **more: Any
) -> Method:
    options = MethodOptions.model_validate({"super_icl": more.pop("options", {})})
    whole = setting(task, weak=weak, strong=strong, unseen=lambda: unseen, options=options, **more)
    (method,) = make_methods(["super_icl"], whole)
    return method


def questions(*rows: str) -> Rows:
    return [(row, "red") for row in rows]


def test_the_prompt_is_this_and_it_takes_a_call_of_each_model() -> None:
    weak, strong = ScriptedModel(lambda request: LOUD), ScriptedModel(["Answer: slow"])
    method = super_icl(weak=weak, strong=strong)
    assert isinstance(method, Prepared)
    preparation = synchronous.run(method.prepare(1))
    assert (preparation.calls, preparation.num_used) == ({"weak": 1}, 1)
    prediction = synchronous.run(method.predict(TASK.test[0]))
    assert asked(strong) == [PROMPT]
    assert [text.splitlines()[0] for text in asked(weak)] == ["How loud is a snail?", "How fast is a snail?"]
    assert prediction.calls == {"weak": 1, "strong": 1}
    assert (prediction.answer, prediction.correct, prediction.draft) == ("slow", 1.0, LOUD.text)


@pytest.mark.parametrize(
    ("task", "confidence"),
    [
        (Colours(test=TASK.rows["test"]), "0.36"),  # of a label: 0.9 x 0.4
        (TASK, "0.60"),  # of an open answer: their geometric mean
    ],
)
def test_the_confidence_is_that_of_the_answers_own_tokens(task: Quiz, confidence: str) -> None:
    strong = ScriptedModel(["Answer: slow"])
    synchronous.run(predictions(super_icl(task, strong=strong), task.test))
    assert asked(strong)[0].count(f"very loud (confidence: {confidence})") == 2


@pytest.mark.parametrize("explanation", ["", "Explanation: A snail is slow.\n"])
def test_the_confidence_of_option_a_is_not_that_of_the_word_answer(explanation: str) -> None:
    strong = ScriptedModel(["Answer: B"])
    task = Colours(test=[("Which?", "A")])
    draft = said(f"{explanation}Answer: A", *[0.999] * (len(explanation.split()) + 1), 0.4)
    synchronous.run(predictions(super_icl(task, weak=draft, strong=strong), task.test))
    assert asked(strong)[0].count("A (confidence: 0.40)") == 2


def test_a_draft_without_an_answer_is_shown_as_such() -> None:
    strong = ScriptedModel(["Answer: slow"])
    (prediction,) = synchronous.run(predictions(super_icl(weak=said("I do not know."), strong=strong), TASK.test))
    assert asked(strong)[0].count("Prediction of the small model: no answer\n") == 2
    assert prediction.correct == 1.0


def test_why_it_overrides_is_asked_only_where_it_does_and_is_to_say() -> None:
    def calls(strong: str, **options: Any) -> tuple[int, ScriptedModel]:
        model = ScriptedModel(by_prompt(lambda prompt: "Because." if "not followed" in prompt else strong))
        (prediction,) = synchronous.run(predictions(super_icl(strong=model, options=options), TASK.test))
        assert prediction.calls == {"weak": 1, "strong": len(model.requests)}
        assert prediction.answer == strong.removeprefix("Answer: ")
        assert prediction.output == (strong if len(model.requests) == 1 else f"{strong}\n\nBecause.")
        return len(model.requests), model

    assert calls("Answer: slow")[0] == 1
    assert calls("Answer: Very loud", explain_overrides=True)[0] == 1
    number, model = calls("Answer: slow", explain_overrides=True)
    assert number == 2
    assert asked(model)[1] == WHY


def test_labels_are_compared_as_labels() -> None:
    task = Colours(test=[("Which?", "red")])
    strong = ScriptedModel(by_prompt(lambda prompt: "Because." if "not followed" in prompt else "Answer: blue"))
    method = super_icl(task, weak=said("Answer: red"), strong=strong, options={"explain_overrides": True})
    synchronous.run(predictions(method, task.test))
    assert len(strong.requests) == 2


def test_no_example_is_its_own_demonstration() -> None:
    rows = questions("Is it one?", "Is it two?", "Is it three?")
    task = Colours(train=rows, test=[("is IT  two?", "red"), ("Is it four?", "red")])
    strong = ScriptedModel(["Answer: red"] * 2)
    method = super_icl(task, task.train, weak=said("Answer: red"), strong=strong)
    synchronous.run(predictions(method, task.test))
    of_two, of_four = asked(strong)
    assert [of_two.count("Right answer:"), of_four.count("Right answer:")] == [2, 3]
    assert "Is it two?" not in of_two
    assert "Is it two?" in of_four


def test_demonstrations_are_drawn_once_by_the_seed_and_dropped_from_the_end_until_the_prompt_fits() -> None:
    task = Colours(train=questions(*(f"Is it {number}?" for number in range(40))), test=[("Which?", "red")] * 1)

    def shown(seed: int = 0, **options: Any) -> list[str]:
        strong = ScriptedModel(lambda request: "Answer: red")
        method = super_icl(
            task, task.train, weak=said("Answer: red"), strong=strong, seed=seed, options=options,
            count_tokens=lambda text: len(text.split()),
        )  # fmt: skip
        synchronous.run(predictions(method, [task.test[0]] * 2))
        first, second = asked(strong)
        assert first == second
        assert len(first.split()) <= options.get("max_prompt_tokens", 10**9)
        return [line for line in first.splitlines() if line.startswith("Query: Is it")]

    drawn = shown()
    assert len(set(drawn)) == 32
    assert shown() == drawn
    assert shown(seed=1) != drawn
    assert shown(demonstrations=5) == drawn[:5]
    empty = (
        len(PROMPT.split())
        - len(" ".join(PROMPT.split("\n\n")[1:3]).split())
        + len("Query: Which? Prediction of the small model: red (confidence: 1.00)".split())
    )
    each = len("Query: Is it 1? Prediction of the small model: red (confidence: 1.00) Right answer: red".split())
    assert shown(max_prompt_tokens=empty + 3 * each) == drawn[:3]
    assert shown(max_prompt_tokens=empty + 3 * each - 1) == drawn[:2]
    assert shown(max_prompt_tokens=empty) == []


def test_it_refuses_before_anything_is_paid() -> None:
    weak, strong = ScriptedModel([]), ScriptedModel([])
    with pytest.raises(InputError, match="queries_from: held_back"):
        super_icl(unseen=(), weak=weak, strong=strong)
    with pytest.raises(InputError, match=r"weak\.options: \{logprobs: true\}"):
        super_icl(weak=weak, strong=strong, logprobs={"weak": False})
    with pytest.raises(InputError, match="domain_knowledge hold none"):
        super_icl(weak=weak, strong=strong, format="domain_knowledge")
    assert weak.requests == strong.requests == []


def test_where_replies_hold_no_log_probabilities_its_rows_fail_and_the_others_go_on() -> None:
    weak, strong = ScriptedModel(lambda request: "Answer: loud"), ScriptedModel(lambda request: "Answer: slow")
    whole = setting(TASK, weak=weak, strong=strong, unseen=lambda: UNSEEN)
    results = evaluate(TASK.test, make_methods(["super_icl", "strong_only"], whole))
    assert results.methods["super_icl"].num_failed == 1
    assert results.methods["strong_only"].num_failed == 0
    assert len(weak.requests) == 1  # found out while it got ready
    assert not any("small model" in text_of(request) for request in strong.requests)


def test_a_demonstration_without_a_reply_is_left_out_and_counted() -> None:
    unseen = Quiz(train=[("How loud is a snail?", "mute"), ("How big is a snail?", "small")]).train

    def reply(prompt: str) -> Completion | Exception:
        return CompletionError("filtered") if "loud" in prompt else LOUD

    strong = ScriptedModel(["Answer: slow"])
    method = super_icl(unseen=unseen, weak=ScriptedModel(by_prompt(reply)), strong=strong)
    assert isinstance(method, Prepared)
    assert synchronous.run(method.prepare(1)).num_failed == 1
    synchronous.run(method.predict(TASK.test[0]))
    assert asked(strong)[0].count("Right answer:") == 1


def test_it_predicts_only_when_ready() -> None:
    with pytest.raises(CowestError, match="prepare"):
        synchronous.run(super_icl().predict(TASK.test[0]))
