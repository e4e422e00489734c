"""SKR: its prompts, what it keeps of training questions, how they vote, and what it calls."""

import re
from pathlib import Path

import pytest

from cowest import synchronous
from cowest.errors import CompletionError, CowestError, InputError
from cowest.methods import MethodOptions, Prepared, make_methods
from cowest.methods.skr import KnownQuestion, SelfKnowledge
from cowest.models.providers.scripted import ScriptedModel
from cowest.stages.evaluate import evaluate
from tests.methods.quiz import Quiz, asked, by_prompt, corpus, predictions, setting

TASK = Quiz(
    train=[("How fast is a snail?", "slow"), ("How loud is a snail?", "mute"), ("Who sings in trees?", "birds")],
    test=[("How big is a snail?", "small"), ("Who sings in trees at night?", "owls")],
)
WITH_PASSAGES = """\
Passages that may help:
[1] A snail is slow.
[2] A snail is mute.

How big is a snail?

Explain your reasoning and then give the final result.
Reply in exactly this form and add nothing else:
Explanation: <your reasoning about the question, in a single paragraph>
Answer: <the result alone, in as few words as it takes>"""


def reply(prompt: str) -> str:
    """Passages help with snails and lead astray about birds."""
    retrieved = prompt.startswith("Passages")
    if "Who sings" in prompt:
        return "Answer: frogs" if retrieved else "Answer: birds"
    known = "slow" if "fast" in prompt else "mute"
    return f"Answer: {known}" if retrieved else "Answer: who knows"


def test_it_asks_each_way_once_and_then_once_a_query(tmp_path: Path) -> None:
    strong = ScriptedModel(by_prompt(reply))
    retriever = corpus(tmp_path, "A snail is slow.", "A snail is mute.", "Frogs sing.")
    (method,) = make_methods(["skr"], setting(TASK, strong=strong, retriever=retriever))
    assert isinstance(method, Prepared)
    preparation = synchronous.run(method.prepare(2))
    assert (preparation.num_examples, preparation.num_used, preparation.num_failed) == (3, 3, 0)
    assert preparation.calls == {"strong": 6} == {"strong": len(strong.requests)}
    first, second = [synchronous.run(method.predict(example)) for example in TASK.test]
    assert first.calls == second.calls == {"strong": 1}
    assert len(strong.requests) == 8
    assert asked(strong)[6] == WITH_PASSAGES
    assert asked(strong)[7].startswith("Who sings in trees at night?\n\nExplain")


def test_where_both_ways_are_right_or_wrong_nothing_is_learned(tmp_path: Path) -> None:
    strong = ScriptedModel(by_prompt(lambda prompt: "Answer: slow"))
    whole = setting(TASK, strong=strong, retriever=corpus(tmp_path, "A snail is slow."))
    (method,) = make_methods(["skr"], whole)
    assert isinstance(method, Prepared)
    assert synchronous.run(method.prepare(1)).num_used == 0
    synchronous.run(method.predict(TASK.test[0]))
    assert asked(strong)[-1].startswith("How big is a snail?")


HELPED, NOT = True, False


@pytest.mark.parametrize(
    ("votes", "neighbours", "num_alike", "retrieves"),
    [
        ([HELPED], 5, 0, True),
        ([NOT], 5, 0, False),
        # Retrieval helped as often as not: it needs a majority.
        ([HELPED, NOT], 2, 0, False),
        ([NOT, NOT, HELPED, HELPED], 4, 0, False),
        ([HELPED, NOT], 1, 0, True),
        ([], 5, 0, False),
        ([], 5, 3, False),
        # It helped more often: a majority, and by the usual lead.
        ([NOT, HELPED, HELPED], 2, 0, False),
        ([NOT, HELPED, HELPED], 1, 0, False),
        ([NOT, NOT, HELPED, HELPED, HELPED], 5, 0, True),
        ([HELPED, HELPED, NOT, HELPED, HELPED, HELPED], 3, 0, False),  # leads by 1 of 3, usual are 4 x 3 / 6 = 2
        ([HELPED, HELPED, NOT, HELPED, HELPED, HELPED], 3, 1, True),  # usual are 4 x 3 / 7, rounded down to 1
        # It helped less often: then going without needs the majority and the lead, and a tie retrieves.
        ([HELPED, NOT, NOT], 2, 0, True),
        ([NOT, NOT, NOT, HELPED, HELPED], 5, 0, False),
        ([NOT, NOT, HELPED, NOT, NOT, NOT], 3, 0, True),
        ([NOT, NOT, HELPED, NOT, NOT, NOT], 3, 1, False),
    ],
)
def test_the_more_frequent_outcome_needs_a_majority_by_its_usual_lead(
    votes: list[bool], neighbours: int, num_alike: int, retrieves: bool
) -> None:
    # Each is a word longer than the one before, so that they come in this order.
    found = [KnownQuestion("snail " + "so " * (index + 1), helped) for index, helped in enumerate(votes)]
    knowledge = SelfKnowledge(found, neighbours, len(found) + num_alike)
    assert [each.retrieval_helped for each in knowledge.nearest("snail")] == votes[:neighbours]
    assert knowledge.wants_retrieval("snail") is retrieves


@pytest.mark.parametrize(("num_alike", "retrieves"), [(0, False), (1, True)])
def test_questions_without_a_difference_count_in_the_usual_lead(
    num_alike: int, retrieves: bool, tmp_path: Path
) -> None:
    helped = [(f"Why do snails creep {word}?", "so") for word in ("up", "down", "on", "away", "back")]
    alike = [("Is a stone hard?", "yes")] * num_alike
    task = Quiz(
        train=[*helped, ("Why do snails creep at all?", "why"), *alike],
        test=[("Why do snails creep at all now?", "so")],
    )

    def answer(prompt: str) -> str:
        if "stone" in prompt:
            return "Answer: yes"
        retrieved = prompt.startswith("Passages")
        if "at all?" in prompt:
            return "Answer: who knows" if retrieved else "Answer: why"
        return "Answer: so" if retrieved else "Answer: who knows"

    strong = ScriptedModel(by_prompt(answer))
    options = MethodOptions.model_validate({"skr": {"neighbours": 3}})
    whole = setting(task, strong=strong, retriever=corpus(tmp_path, "Snails creep."), options=options)
    (method,) = make_methods(["skr"], whole)
    synchronous.run(predictions(method, task.test))
    assert asked(strong)[-1].startswith("Passages") is retrieves


def test_neither_itself_nor_a_stranger_votes() -> None:
    knowledge = SelfKnowledge([KnownQuestion("Is a snail fast?", NOT), KnownQuestion("Birds sing.", NOT)], 5, 2)
    assert knowledge.nearest("is a SNAIL  fast?") == []
    assert knowledge.wants_retrieval("is a SNAIL  fast?")
    assert not knowledge.wants_retrieval("Is a snail slow?")


def test_a_question_without_a_reply_is_left_out_and_counted(tmp_path: Path) -> None:
    strong = ScriptedModel(by_prompt(lambda p: CompletionError("filtered") if "Who sings" in p else reply(p)))
    (method,) = make_methods(["skr"], setting(TASK, strong=strong, retriever=corpus(tmp_path, "A snail is slow.")))
    assert isinstance(method, Prepared)
    preparation = synchronous.run(method.prepare(1))
    assert (preparation.num_used, preparation.num_failed) == (2, 1)


def test_the_first_of_two_calls_counts_where_the_second_fails(tmp_path: Path) -> None:
    def second_fails(prompt: str) -> str | Exception:
        return CompletionError("filtered") if prompt.startswith("Passages") and "Who sings" in prompt else reply(prompt)

    strong = ScriptedModel(by_prompt(second_fails))
    (method,) = make_methods(["skr"], setting(TASK, strong=strong, retriever=corpus(tmp_path, "A snail is slow.")))
    assert isinstance(method, Prepared)
    preparation = synchronous.run(method.prepare(1))
    assert (preparation.num_failed, preparation.calls) == (1, {"strong": 5})


def test_where_it_cannot_get_ready_its_rows_fail_and_the_others_go_on(tmp_path: Path) -> None:
    def only_without(prompt: str) -> str | Exception:
        return CompletionError("too long") if prompt.startswith("Passages") else "Answer: small"

    whole = setting(TASK, strong=ScriptedModel(by_prompt(only_without)), retriever=corpus(tmp_path, "snail"))
    results = evaluate(TASK.test, make_methods(["skr", "strong_only"], whole), task=TASK, out=tmp_path / "out")
    assert results.methods["skr"].num_failed == 2
    assert results.methods["strong_only"].num_failed == 0
    rows = (tmp_path / "out/predictions/skr.jsonl").read_text()
    assert re.search("skr .*all of its 3 examples failed.*too long", rows)


def test_what_it_took_once_stands_apart(tmp_path: Path) -> None:
    whole = setting(TASK, strong=ScriptedModel(by_prompt(reply)), retriever=corpus(tmp_path, "A snail is slow."))
    results = evaluate(TASK.test, make_methods(["skr", "strong_only"], whole), task=TASK)
    assert results.methods["skr"].calls == {"strong": 2}
    assert results.methods["skr"].preparation.calls == {"strong": 6}
    assert results.methods["skr"].preparation.cost_usd == 0.0
    assert results.methods["strong_only"].preparation is None


def test_some_questions_are_drawn_by_the_seed(tmp_path: Path) -> None:
    def drawn(seed: int) -> list[str]:
        strong = ScriptedModel(by_prompt(reply))
        options = MethodOptions.model_validate({"skr": {"questions": 1}})
        whole = setting(TASK, strong=strong, retriever=corpus(tmp_path, "A snail is slow."), options=options, seed=seed)
        (method,) = make_methods(["skr"], whole)
        synchronous.run(predictions(method, []))
        return asked(strong)

    assert len(drawn(0)) == 2
    assert drawn(0) == drawn(0)
    assert len({tuple(drawn(seed)) for seed in range(8)}) > 1


def test_it_refuses_before_anything_is_paid(tmp_path: Path) -> None:
    strong = ScriptedModel([])
    with pytest.raises(InputError, match="skr retrieves, but the recipe names no corpus"):
        make_methods(["skr"], setting(TASK, strong=strong))
    with pytest.raises(InputError, match=r"task\.train"):
        make_methods(["skr"], setting(Quiz(test=TASK.rows["test"]), strong=strong, retriever=corpus(tmp_path, "x")))
    assert strong.requests == []


def test_it_predicts_only_when_ready(tmp_path: Path) -> None:
    (method,) = make_methods(["skr"], setting(TASK, retriever=corpus(tmp_path, "x")))
    with pytest.raises(CowestError, match="prepare"):
        synchronous.run(method.predict(TASK.test[0]))
